"""A machine of the team's own, reached by ssh: the parts that every backend on such machines shares."""

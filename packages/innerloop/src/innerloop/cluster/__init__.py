"""Jobs on a cluster as this machine knows them: the images that their pods start from, what is
submitted, and how it is followed."""

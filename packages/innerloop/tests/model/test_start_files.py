"""Environments that a Dockerfile sets where only some shells find them."""

from __future__ import annotations

import pytest

from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.dockerfiles.start_files import found_in


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("RUN echo 'source /opt/env/bin/activate' >> ~/.bashrc", ".bashrc"),
        (
            'RUN echo ". /opt/conda/etc/profile.d/conda.sh && conda activate x" >> /root/.bashrc',
            ".bashrc",
        ),
        ('RUN echo "export PATH=/x:$PATH" > /etc/profile.d/x.sh', "/etc/profile.d/x.sh"),
        ("RUN conda init bash", ".bashrc"),
        ("RUN micromamba shell init -s bash", ".bashrc"),
        ("RUN echo 'conda activate x' | tee -a /etc/bash.bashrc", "/etc/bash.bashrc"),
        ("RUN cat >> $HOME/.profile <<EOF\nexport A=1\nEOF", ".profile"),
        ("COPY <<EOF /root/.bashrc\nexport A=1\nEOF", ".bashrc"),
        ("COPY bashrc /root/.bashrc", ".bashrc"),
    ],
)
def test_found_in_start_file_of_a_shell(step: str, name: str) -> None:
    found = list(found_in(parse(f"FROM a\n{step}\n", "Dockerfile")))
    assert [(file.name, file.line) for file in found] == [(name, 2)]


@pytest.mark.parametrize(
    "step",
    [
        "RUN echo 'alias ll=\"ls -l\"' >> ~/.bashrc",
        "RUN . /opt/env/bin/activate && pip install x",
        "RUN pip install x > log.profile-me",
        "RUN cat ~/.bashrc",
        "COPY profile /etc/",
        "RUN echo 'source /x' >> ~/.bashrc\nENV PATH=/x/bin:$PATH",
    ],
)
def test_found_in_other_steps_is_nothing(step: str) -> None:
    assert list(found_in(parse(f"FROM a\n{step}\n", "Dockerfile"))) == []

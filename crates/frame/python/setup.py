"""For versions of pip that do not know pyproject.toml; setup.cfg has it all."""

from setuptools import setup

setup()

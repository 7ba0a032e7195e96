"""Specification -> the content of one generated file. Pure."""

"""Packages of Debian that must do real work in a venv."""

"""Asterisk as a carrier: a PBX that isn't this project's, which follows a dialplan made of a script."""

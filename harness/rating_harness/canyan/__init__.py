"""canyan-tester's files: a YAML file with ``workers`` means here what it means there."""

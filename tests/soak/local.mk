# What is left after many have come and gone.
EXTRA_DIST += tests/soak/test-soak tests/soak/soak.py tests/soak/soak.conf

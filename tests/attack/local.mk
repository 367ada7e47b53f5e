# Attacks: run by contrib/test attack.
EXTRA_DIST += tests/attack/attack.py tests/attack/test-chaos tests/attack/test-guessing tests/attack/test-limits tests/attack/test-login \
	tests/attack/test-presence tests/attack/test-proxy tests/attack/test-register tests/attack/test-sessions \
	tests/attack/test-stop tests/attack/test-store tests/attack/test-timeouts

EXTRA_DIST += tests/attack/test-descriptors

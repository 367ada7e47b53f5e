# Throwaway servers for tests.
EXTRA_DIST += tests/lib/postgres tests/lib/memcached tests/lib/sql tests/lib/client-certificate

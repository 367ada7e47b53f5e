# Each file is one layer's tests; add yours where the layer's helpers are.
include tests/unit/base.mk
include tests/unit/loop.mk
include tests/unit/xml.mk
include tests/unit/net.mk
include tests/unit/store.mk
include tests/unit/core.mk
include tests/fuzz/local.mk
include tests/lib/local.mk
include tests/talk/local.mk
include tests/interop/local.mk
include tests/soak/local.mk
include tests/attack/local.mk
include tests/bench/local.mk

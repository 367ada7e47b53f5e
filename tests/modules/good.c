/* A module object for tests/unit/test-modules. */
#include "core/module.h"

JACKDAW_MODULE(good) = {JACKDAW_MODULE_HEAD, .name = "good", .summary = "Is as it should be"};

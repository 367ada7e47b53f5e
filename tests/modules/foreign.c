/* A module object built against other headers: what stands behind `abi` means something else. */
#include "base/macros.h"

struct foreign {
    const char *abi;
    const void *name; /* would end the process if it were read as one */
};

extern const struct foreign jackdaw_module_foreign;
const struct foreign jackdaw_module_foreign = {.abi = "another", .name = (const void *)1};

/* A module object whose module has another name than its file. */
#include "core/module.h"

extern const struct module jackdaw_module_misnamed;
const struct module jackdaw_module_misnamed = {JACKDAW_MODULE_HEAD, .name = "other"};

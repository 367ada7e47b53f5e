/* Until admin_commands.c lands: then this file goes. */
#include "core/admin_server.h"
const struct admin_command admin_core_commands[] = {{0}};

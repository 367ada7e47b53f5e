/* A shared object that is no module. */
#include "base/macros.h"

int nothing_of_interest(void);
int nothing_of_interest(void)
{
    return 0;
}

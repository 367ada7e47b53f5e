#include "store/internal.h"

static int postgres_open(struct store *s, struct err *e)
{
    (void)s;
    return err_set(e, "not in this build yet");
}

static void postgres_close(struct store *s)
{
    (void)s;
}

const struct driver postgres_driver = {
    .name = "postgres",
    .open = postgres_open,
    .close = postgres_close,
};

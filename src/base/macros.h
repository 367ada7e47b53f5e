/* Compiler annotations and small macros that every file may use. */
#ifndef JACKDAW_BASE_MACROS_H
#define JACKDAW_BASE_MACROS_H

#include <stddef.h>

#include "base/banned.h"

/* The function may park the calling fiber. After it returns, only memory owned by the running
 * entity or held by a reference is still valid. Debug builds assert that it runs in a fiber. */
#define MAY_YIELD

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NO_RETURN __attribute__((noreturn))

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The structure of `type` whose `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* An invariant, checked in release builds too. Never for what a peer sent. */
#define INVARIANT(cond)                                                                            \
    do {                                                                                           \
        if (UNLIKELY(!(cond)))                                                                     \
            invariant_failed(#cond, __FILE__, __LINE__);                                           \
    } while (0)

/* Prints the broken invariant to stderr and aborts. */
NO_RETURN void invariant_failed(const char *cond, const char *file, int line);

#endif

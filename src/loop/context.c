/* longjmp() to another stack is what this file is for: the check that _FORTIFY_SOURCE puts into it
 * would abort. Must come before every header. */
#undef _FORTIFY_SOURCE

#include "loop/context.h"

#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define WITH_ASAN 1
#include <sanitizer/common_interface_defs.h>
#else
#define WITH_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#include <sanitizer/tsan_interface.h>
#else
#define WITH_TSAN 0
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

/* Instrumented frames are several times as large. */
enum { STACK_FACTOR = WITH_ASAN || WITH_TSAN ? 4 : 1 };

/* Inlined always: ThreadSanitizer keeps a call stack per fiber, so no call may begin in one and end
 * in the other. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE void tell_leaving(struct context *from, const struct context *to, bool idle)
{
#if WITH_ASAN
    __sanitizer_start_switch_fiber(idle ? NULL : &from->asan_fake_stack, to->stack, to->stack_size);
    if (idle)
        from->asan_fake_stack = NULL;
#endif
#if WITH_TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    (void)from, (void)to, (void)idle;
}

ALWAYS_INLINE void tell_arrived(struct context *c)
{
#if WITH_ASAN
    if (c->home)
        __sanitizer_finish_switch_fiber(c->asan_fake_stack, &c->home->stack, &c->home->stack_size);
    else
        __sanitizer_finish_switch_fiber(c->asan_fake_stack, NULL, NULL);
#endif
    (void)c;
}

void context_init_home(struct context *home)
{
    *home = (struct context){.started = true};
#if WITH_TSAN
    home->tsan_fiber = __tsan_get_current_fiber();
#endif
}

static bool map_stack(struct context *c, size_t stack)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (stack * STACK_FACTOR + page - 1) / page * page;
    char *map = mmap(NULL, page + size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return false;
    if (mprotect(map, page, PROT_NONE) < 0) {
        munmap(map, page + size);
        return false;
    }
    c->map = map;
    c->map_size = page + size;
    c->stack = map + page;
    c->stack_size = size;
    return true;
}

/* makecontext() passes only ints: the pointer comes in two halves. */
static void start(unsigned high, unsigned low)
{
    struct context *c = (struct context *)(((uintptr_t)high << 16 << 16) | low);
    tell_arrived(c);
    c->entry(c->arg);
    abort();
}

/* Where a context begins, kept at the far end of its own, still unused stack. */
static ucontext_t *birth(const struct context *c)
{
    return (ucontext_t *)(uintptr_t)c->stack;
}

static void prepare(struct context *c)
{
    uintptr_t p = (uintptr_t)c;
    ucontext_t *uc = birth(c);
    if (getcontext(uc) < 0)
        abort();
    uc->uc_stack.ss_sp = uc;
    uc->uc_stack.ss_size = c->stack_size;
    uc->uc_link = NULL;
    makecontext(uc, (void (*)(void))start, 2, (unsigned)(p >> 16 >> 16), (unsigned)p);
}

bool context_init(struct context *c, struct context *home, size_t stack, void (*entry)(void *arg),
                  void *arg)
{
    *c = (struct context){.home = home, .entry = entry, .arg = arg};
    if (!map_stack(c, stack))
        return false;
    c->valgrind_id = VALGRIND_STACK_REGISTER(c->stack, (const char *)c->stack + c->stack_size);
#if WITH_TSAN
    c->tsan_fiber = __tsan_create_fiber(0);
#endif
    prepare(c);
    return true;
}

void context_destroy(struct context *c)
{
#if WITH_TSAN
    __tsan_destroy_fiber(c->tsan_fiber);
#endif
    VALGRIND_STACK_DEREGISTER(c->valgrind_id);
    munmap(c->map, c->map_size);
    c->map = NULL;
}

void context_switch(struct context *from, struct context *to, bool idle)
{
    if (_setjmp(from->env) == 0) {
        bool started = to->started;
        to->started = true;
        tell_leaving(from, to, idle);
        if (started)
            _longjmp(to->env, 1);
        setcontext(birth(to));
        abort();
    }
    tell_arrived(from);
}

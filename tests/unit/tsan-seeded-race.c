/* Two fibers on two workers count in one variable. As it is, nothing orders them and
 * ThreadSanitizer must say so: that shows that it follows our fibers. Built with GUARDED, the
 * variable belongs to one worker and the other posts to it: then there is nothing to report. Either
 * way two fibers of one worker share a variable, which is no race. */
#include "loop-crew.h"

#include "base/mem.h"

enum { TIMES = 200 };

static struct crew *crew;
static unsigned counter;
static unsigned per_worker[2];
static struct flag ended;

static void count_run(struct post *post)
{
    counter++;
    free(post);
}

static void count(void)
{
#ifdef GUARDED
    struct post *post = mem_new(struct post);
    post->run = count_run;
    worker_post(crew_worker(crew, 0), post);
#else
    (void)count_run;
    counter++;
#endif
}

static void counter_fiber(void *arg)
{
    unsigned *shared = arg;
    for (int i = 0; i < TIMES; i++) {
        count();
        (*shared)++;
        fiber_yield();
    }
    flag_raise(&ended);
}

static void begin(struct post *post)
{
    struct worker *w = worker_self();
    unsigned *shared = &per_worker[worker_index(w)];
    (void)post;
    for (int i = 0; i < 2; i++)
        INVARIANT(fiber_spawn(w, FIBER_NORMAL, counter_fiber, shared));
}

int main(void)
{
    struct post first = {.run = begin}, second = {.run = begin};
    struct crew_conf conf;
    crew_conf_defaults(&conf);
    conf.workers = 2;
    crew = crew_start(&conf, NULL);
    if (!crew)
        return 2;
    worker_post(crew_worker(crew, 0), &first);
    worker_post(crew_worker(crew, 1), &second);
    flag_wait(&ended, 4);
    crew_stop(&crew);
    printf("counted %u, %u on worker 0, %u on worker 1\n", counter, per_worker[0], per_worker[1]);
    INVARIANT(per_worker[0] == 2 * TIMES && per_worker[1] == 2 * TIMES);
#ifdef GUARDED
    INVARIANT(counter == 4 * TIMES);
#endif
    return 0;
}

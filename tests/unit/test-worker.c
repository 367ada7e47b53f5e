/* Unit tests of workers: posts, turn ends, readiness of descriptors. */
#include <check.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop-crew.h"
#include "loop/internal.h"
#include "loop/io.h"

static struct crew *crew;

/* ---- posts ---- */

enum { POSTERS = 4, POSTS = 20000 };

struct numbered {
    struct post post;
    unsigned poster, number;
};

static unsigned next_of[POSTERS];
static struct flag all_there;

static void take_numbered(struct post *post)
{
    struct numbered *n = CONTAINER_OF(post, struct numbered, post);
    ck_assert_ptr_eq(worker_self(), crew_worker(crew, 0));
    ck_assert_uint_eq(n->number, next_of[n->poster]);
    if (++next_of[n->poster] == POSTS)
        flag_raise(&all_there);
    free(n);
}

static void *post_many(void *arg)
{
    unsigned poster = *(unsigned *)arg;
    for (unsigned i = 0; i < POSTS; i++) {
        struct numbered *n = mem_new(struct numbered);
        n->post.run = take_numbered;
        n->poster = poster;
        n->number = i;
        worker_post(crew_worker(crew, 0), &n->post);
    }
    return NULL;
}

START_TEST(posts_of_many_threads_come_in_each_ones_order)
{
    pthread_t threads[POSTERS];
    unsigned index[POSTERS];
    crew = test_crew(1, NULL);
    for (unsigned i = 0; i < POSTERS; i++) {
        index[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, &index[i]), 0);
    }
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    flag_wait(&all_there, POSTERS);
    crew_stop(&crew);
}
END_TEST

/* A post that goes round all workers. */
struct traveller {
    struct post post;
    unsigned hops;
    struct flag *home;
};

static void travel(struct post *post)
{
    struct traveller *t = CONTAINER_OF(post, struct traveller, post);
    unsigned next = (worker_index(worker_self()) + 1) % crew_size(crew);
    ck_assert_ptr_eq(worker_crew(worker_self()), crew);
    if (t->hops-- == 0)
        flag_raise(t->home);
    else
        worker_post(crew_worker(crew, next), post);
}

START_TEST(workers_post_to_each_other)
{
    struct flag home = {0};
    struct traveller travellers[8];
    crew = test_crew(4, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(travellers); i++) {
        travellers[i] = (struct traveller){.post.run = travel, .hops = 5000, .home = &home};
        worker_post(crew_worker(crew, i % 4), &travellers[i].post);
    }
    flag_wait(&home, ARRAY_LEN(travellers));
    crew_stop(&crew);
}
END_TEST

START_TEST(posts_made_before_the_end_are_run)
{
    struct flag home = {0};
    struct traveller travellers[50];
    crew = test_crew(4, NULL);
    struct crew *stopping = crew;
    for (unsigned i = 0; i < ARRAY_LEN(travellers); i++) {
        travellers[i] = (struct traveller){.post.run = travel, .hops = 0, .home = &home};
        worker_post(crew_worker(crew, i % 4), &travellers[i].post);
    }
    crew_stop(&stopping);
    ck_assert_uint_eq(home.value, ARRAY_LEN(travellers));
}
END_TEST

static struct flag blocked, unblocked;

static void block(struct post *post)
{
    (void)post;
    flag_raise(&blocked);
    flag_wait(&unblocked, 1);
}

static void read_stats(void *arg)
{
    uint64_t wakes = 0;
    worker_stats(worker_self(), arg);
    (void)!read(worker_self()->wake_fd, &wakes, sizeof(wakes)); /* counted since the last read */
    ((struct worker_stats *)arg)->wakeups = wakes;
}

START_TEST(only_the_first_post_wakes)
{
    struct flag home = {0};
    struct traveller travellers[100];
    struct post blocker = {.run = block};
    struct worker_stats before, after;
    crew = test_crew(1, NULL);
    on_worker(crew, 0, read_stats, &before);
    worker_post(crew_worker(crew, 0), &blocker);
    flag_wait(&blocked, 1);
    for (unsigned i = 0; i < ARRAY_LEN(travellers); i++) {
        travellers[i] = (struct traveller){.post.run = travel, .hops = 0, .home = &home};
        worker_post(crew_worker(crew, 0), &travellers[i].post);
    }
    flag_raise(&unblocked);
    flag_wait(&home, ARRAY_LEN(travellers));
    on_worker(crew, 0, read_stats, &after);
    ck_assert_uint_eq(after.posts - before.posts, ARRAY_LEN(travellers) + 2);
    /* For `blocker`, the first of the hundred and read_stats(); the rest came along. */
    ck_assert_uint_le(after.wakeups, 3);
    crew_stop(&crew);
}
END_TEST

/* ---- the end of a turn ---- */

static char trace[64];
static struct turn_end ends[4];
static struct post own_post;

static void note(char what)
{
    size_t len = strlen(trace);
    ck_assert_uint_lt(len + 1, sizeof(trace));
    trace[len] = what;
    trace[len + 1] = '\0';
}

static void end_simple(struct turn_end *t)
{
    ck_assert(!t->scheduled);
    note((char)('0' + (t - ends)));
}

static void end_schedules(struct turn_end *t)
{
    end_simple(t);
    worker_cancel_turn_end(worker_self(), &ends[1]); /* the next in line */
    worker_at_turn_end(worker_self(), &ends[3]);
    t->run = end_simple;
    worker_at_turn_end(worker_self(), t);
}

static void note_post(struct post *post)
{
    (void)post;
    note('p');
}

static void note_fiber(void *arg)
{
    note('a');
    fiber_yield(); /* goes on in the next turn */
    note('b');
    flag_raise(arg);
}

static void schedule(void *arg)
{
    struct worker *w = worker_self();
    ends[0].run = end_schedules;
    ends[1].run = ends[2].run = ends[3].run = end_simple;
    for (unsigned i = 0; i < 3; i++)
        worker_at_turn_end(w, &ends[i]);
    worker_at_turn_end(w, &ends[0]); /* once is enough */
    own_post.run = note_post;
    worker_post(w, &own_post); /* of the next turn */
    ck_assert(fiber_spawn(w, FIBER_NORMAL, note_fiber, arg));
    note('s');
}

START_TEST(turn_ends_run_last_and_once)
{
    struct flag done = {0};
    crew = test_crew(1, NULL);
    on_worker(crew, 0, schedule, &done);
    flag_wait(&done, 1);
    crew_stop(&crew);
    ck_assert_str_eq(trace, "as0230pb");
}
END_TEST

static unsigned rounds;

static void again(struct turn_end *t)
{
    rounds++;
    worker_at_turn_end(worker_self(), t);
}

static void schedule_for_ever(void *arg)
{
    (void)arg;
    ends[0].run = again;
    worker_at_turn_end(worker_self(), &ends[0]);
}

static void cancel_for_ever(void *arg)
{
    (void)arg;
    ck_assert_uint_gt(rounds, 0);
    worker_cancel_turn_end(worker_self(), &ends[0]);
}

START_TEST(a_busy_turn_end_does_not_stop_the_loop)
{
    crew = test_crew(1, NULL);
    on_worker(crew, 0, schedule_for_ever, NULL);
    on_worker(crew, 0, cancel_for_ever, NULL); /* is reached: that is the test */
    crew_stop(&crew);
}
END_TEST

/* ---- descriptors ---- */

static int ends_of_pair[2];
static struct io *io;
static struct flag readable, writable;
static char received[64];

static void on_ready(void *arg, int ready)
{
    ck_assert_ptr_eq(arg, &io);
    ck_assert_ptr_null(fiber_self());
    ck_assert_int_eq(ready & ~io_wanted(io), 0);
    if (ready & IO_READ) {
        char byte;
        if (read(ends_of_pair[0], &byte, 1) == 1) /* one at a time: level-triggered */
            received[strlen(received)] = byte;
        flag_raise(&readable);
    }
    if (ready & IO_WRITE) {
        io_want(io, io_wanted(io) & ~IO_WRITE);
        flag_raise(&writable);
    }
}

static void watch(void *arg)
{
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_of_pair), 0);
    io = io_new(worker_self(), ends_of_pair[0], arg ? arg : (void *)on_ready, &io);
    ck_assert_int_eq(io_wanted(io), 0);
}

static void want(void *arg)
{
    io_want(io, *(int *)arg);
    ck_assert_int_eq(io_wanted(io), *(int *)arg);
}

static void unwatch(void *arg)
{
    (void)arg;
    io_free(&io);
    ck_assert_ptr_null(io);
    io_free(&io);
    close(ends_of_pair[0]);
    close(ends_of_pair[1]);
}

static void nothing(void *arg)
{
    (void)arg;
}

START_TEST(only_what_is_wanted_is_told)
{
    crew = test_crew(1, NULL);
    on_worker(crew, 0, watch, NULL);
    ck_assert_int_eq(write(ends_of_pair[1], "abc", 3), 3);
    on_worker(crew, 0, nothing, NULL);
    ck_assert_uint_eq(readable.value, 0);
    on_worker(crew, 0, want, &(int){IO_READ});
    flag_wait(&readable, 3);
    ck_assert_str_eq(received, "abc");
    ck_assert_uint_eq(writable.value, 0);
    on_worker(crew, 0, want, &(int){IO_READ | IO_WRITE});
    flag_wait(&writable, 1);
    ck_assert_int_eq(write(ends_of_pair[1], "d", 1), 1);
    flag_wait(&readable, 4);
    on_worker(crew, 0, want, &(int){0});
    ck_assert_int_eq(write(ends_of_pair[1], "e", 1), 1);
    on_worker(crew, 0, nothing, NULL);
    ck_assert_str_eq(received, "abcd");
    on_worker(crew, 0, unwatch, NULL);
    crew_stop(&crew);
}
END_TEST

static void free_myself(void *arg, int ready)
{
    (void)arg, (void)ready;
    unwatch(NULL);
    flag_raise(&readable);
}

START_TEST(an_io_may_free_itself_while_more_of_it_is_ready)
{
    crew = test_crew(1, NULL);
    for (unsigned i = 1; i <= 10; i++) {
        on_worker(crew, 0, watch, (void *)free_myself);
        ck_assert_int_eq(write(ends_of_pair[1], "x", 1), 1);
        on_worker(crew, 0, want, &(int){IO_READ | IO_WRITE}); /* both are ready */
        flag_wait(&readable, i);
        on_worker(crew, 0, nothing, NULL);
        ck_assert_uint_eq(readable.value, i);
    }
    crew_stop(&crew);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("worker");
    TCase *tc = tcase_create("worker");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, posts_of_many_threads_come_in_each_ones_order);
    tcase_add_test(tc, workers_post_to_each_other);
    tcase_add_test(tc, posts_made_before_the_end_are_run);
    tcase_add_test(tc, only_the_first_post_wakes);
    tcase_add_test(tc, turn_ends_run_last_and_once);
    tcase_add_test(tc, a_busy_turn_end_does_not_stop_the_loop);
    tcase_add_test(tc, only_what_is_wanted_is_told);
    tcase_add_test(tc, an_io_may_free_itself_while_more_of_it_is_ready);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return run_suite(suite());
}

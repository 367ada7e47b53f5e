/* Log lines: which are written, what they look like whatever is in them, where they go. */
#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "scratch.h"

static char text[65536];

/* What has been written to the file since it was made. */
static const char *content(const char *file)
{
    int fd = open(file, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    return text;
}

static void configure(const struct log_conf *conf)
{
    struct err e;
    ck_assert_msg(log_configure(conf, &e) == 0, "%s", e.text);
}

static char dir[SCRATCH_MAX];

static void setup(void)
{
    scratch_make(dir);
    ck_assert_int_eq(chdir(dir), 0);
    configure(&(struct log_conf){.level = LOG_INFO, .target = LOG_TO_FILE, .file = "log"});
}

static void teardown(void)
{
    log_open(2, false);
    ck_assert_int_eq(chdir("/"), 0);
    scratch_remove(dir);
}

static unsigned evaluated;

static const char *evaluate(void)
{
    evaluated++;
    return "x";
}

START_TEST(what_is_off_is_not_even_made)
{
    evaluated = 0;
    log_debug("store", NULL, "%s", evaluate());
    ck_assert_uint_eq(evaluated, 0);
    log_info("store", NULL, "%s", evaluate());
    ck_assert_uint_eq(evaluated, 1);
    ck_assert_ptr_nonnull(strstr(content("log"), " info  store: x\n"));
}
END_TEST

START_TEST(areas_have_levels_of_their_own)
{
    static const struct log_area_level areas[] = {{"stream", LOG_DEBUG}, {"store", LOG_ERROR}};
    configure(&(struct log_conf){
        .level = LOG_INFO, .target = LOG_TO_FILE, .file = "log", .areas = areas, .n_areas = 2});
    log_debug("stream", NULL, "one");
    log_debug("tls", NULL, "no");
    log_info("tls", "host", "two");
    log_warn("store", NULL, "no");
    log_error("store", NULL, "three");
    ck_assert_ptr_null(strstr(content("log"), "no"));
    ck_assert_ptr_nonnull(strstr(text, " debug stream: one\n"));
    ck_assert_ptr_nonnull(strstr(text, " info  tls: host: two\n"));
    ck_assert_ptr_nonnull(strstr(text, " error store: three\n"));
    ck_assert_int_eq(log_threshold, LOG_DEBUG);
    configure(&(struct log_conf){.level = LOG_ERROR, .target = LOG_TO_FILE, .file = "log"});
    ck_assert_int_eq(log_threshold, LOG_ERROR);
    log_warn("store", NULL, "not any more");
    ck_assert_ptr_null(strstr(content("log"), "any more"));
}
END_TEST

/* What a hostile name may hold, and what it looks like in text. */
static const struct {
    const char *raw, *shown;
} odd[] = {
    {"two\nlines\r\n", "two\\u000alines\\u000d\\u000a"},
    {"\x1b[31mred\x7f", "\\u001b[31mred\\u007f"},
    {"\xc2\x9b"
     "31m",
     "\\u009b31m"}, /* a terminal's CSI beyond ASCII */
    {"caf\xc3\xa9 \xf0\x9f\x90\xa6", "caf\xc3\xa9 \xf0\x9f\x90\xa6"},
    {"\xff\xc3", "\\xff\\xc3"},
    {"\xc0\x80 \xe0\x80\x80 \xed\xa0\x80 \xf4\x90\x80\x80",
     "\\xc0\\x80 \\xe0\\x80\\x80 \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80"},
    {"\"quoted\" \\ back", "\"quoted\" \\ back"},
};

START_TEST(a_line_is_one_line)
{
    char wanted[200];
    log_info("stream", odd[_i].raw, "%s", odd[_i].raw);
    snprintf(wanted, sizeof(wanted), " info  stream: %s: %s\n", odd[_i].shown, odd[_i].shown);
    ck_assert_msg(strstr(content("log"), wanted) != NULL, "%s", text);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

START_TEST(json_is_json)
{
    json_error_t error;
    configure(
        &(struct log_conf){.level = LOG_INFO, .target = LOG_TO_FILE, .file = "log", .json = true});
    log_warn("stream", odd[_i].raw, "%s", odd[_i].raw);
    json_t *line = json_loads(content("log"), 0, &error);
    ck_assert_msg(line != NULL, "%s: %s", error.text, text);
    ck_assert_str_eq(json_string_value(json_object_get(line, "level")), "warn");
    ck_assert_str_eq(json_string_value(json_object_get(line, "area")), "stream");
    ck_assert_ptr_nonnull(json_object_get(line, "time"));
    if (_i != 4 && _i != 5) { /* what is no UTF-8 cannot come back */
        ck_assert_str_eq(json_string_value(json_object_get(line, "text")), odd[_i].raw);
        ck_assert_str_eq(json_string_value(json_object_get(line, "object")), odd[_i].raw);
    }
    json_decref(line);
}
END_TEST

/* The longest of everything, every byte of which is escaped, is still JSON. */
START_TEST(the_longest_line_is_whole)
{
    static char object[3072], long_text[2000];
    memset(object, 1, sizeof(object));
    object[sizeof(object) - 1] = '\0';
    memset(long_text, 2, sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    configure(
        &(struct log_conf){.level = LOG_INFO, .target = LOG_TO_FILE, .file = "log", .json = true});
    log_info("stream", object, "%s", long_text);
    json_t *line = json_loads(content("log"), 0, NULL);
    ck_assert_ptr_nonnull(line);
    ck_assert_str_eq(json_string_value(json_object_get(line, "object")), object);
    ck_assert_uint_eq(json_string_length(json_object_get(line, "text")), 1023);
    json_decref(line);
}
END_TEST

START_TEST(a_file_that_was_moved_is_left_behind)
{
    log_info("store", NULL, "before");
    ck_assert_int_eq(rename("log", "log.1"), 0);
    log_info("store", NULL, "between");
    configure(&(struct log_conf){.level = LOG_INFO, .target = LOG_TO_FILE, .file = "log"});
    log_info("store", NULL, "after");
    ck_assert_ptr_null(strstr(content("log.1"), "after"));
    ck_assert_ptr_nonnull(strstr(text, "between"));
    ck_assert_ptr_null(strstr(content("log"), "between"));
    ck_assert_ptr_nonnull(strstr(text, "after"));
}
END_TEST

START_TEST(what_cannot_be_changes_nothing)
{
    static const struct log_conf bad[] = {
        {.level = LOG_DEBUG, .target = LOG_TO_FILE, .file = "nowhere/log"},
        {.level = LOG_DEBUG, .target = LOG_TO_JOURNALD},
    };
    struct err e = {{0}};
    if (bad[_i].target == LOG_TO_JOURNALD && access("/run/systemd/journal/socket", W_OK) == 0)
        return;
    ck_assert_int_eq(log_configure(&bad[_i], &e), -1);
    ck_assert_str_eq(e.text, _i ? "journald does not run here"
                                : "cannot open nowhere/log: No such file or directory");
    log_debug("store", NULL, "no");
    log_info("store", NULL, "still here");
    ck_assert_ptr_nonnull(strstr(content("log"), "still here"));
    ck_assert_ptr_null(strstr(text, "no\n"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *t = tcase_create("log");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_is_off_is_not_even_made);
    tcase_add_test(t, areas_have_levels_of_their_own);
    tcase_add_loop_test(t, a_line_is_one_line, 0, ARRAY_LEN(odd));
    tcase_add_loop_test(t, json_is_json, 0, ARRAY_LEN(odd));
    tcase_add_test(t, the_longest_line_is_whole);
    tcase_add_test(t, a_file_that_was_moved_is_left_behind);
    tcase_add_loop_test(t, what_cannot_be_changes_nothing, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

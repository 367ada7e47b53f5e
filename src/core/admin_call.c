#include "core/admin_call.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "base/suggest.h"
#include "core/admin_server.h"
#include "core/module.h"
#include "core/modules.h"
#include "core/server.h"

struct command {
    const struct admin_command *decl;
    struct module_inst *inst; /* NULL: the core's */
};

struct admin_table {
    struct command *commands;
    size_t n;
};

/* Who waits for the answer. */
struct reply {
    json_t *id; /* as the client sent it; NULL if it did not */
    admin_reply_fn *fn;
    void *arg;
};

/* ---- the table ---- */

static struct module_inst *first_instance(const struct module *module)
{
    for (unsigned i = 0; i < server.n_slots; i++) {
        if (server.insts[i]->module == module)
            return server.insts[i];
    }
    return NULL;
}

static void add_commands(struct admin_table *t, const struct admin_command *c,
                         struct module_inst *inst)
{
    for (; c && c->name; c++) {
        t->commands = mem_realloc(t->commands, (t->n + 1) * sizeof(*t->commands));
        t->commands[t->n++] = (struct command){.decl = c, .inst = inst};
    }
}

struct admin_table *admin_table_new(const struct modules *m)
{
    struct admin_table *t = mem_new(struct admin_table);
    add_commands(t, admin_core_commands, NULL);
    const struct module *const *all;
    unsigned n = modules_all(m, &all);
    for (unsigned i = 0; i < n; i++)
        add_commands(t, all[i]->commands, first_instance(all[i]));
    return t;
}

void admin_table_free(struct admin_table **t)
{
    if (!*t)
        return;
    free((*t)->commands);
    mem_free(t);
}

static const struct command *find_command(const struct admin_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->commands[i].decl->name, name) == 0)
            return &t->commands[i];
    }
    return NULL;
}

static json_t *arg_json(const struct admin_arg *a)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:b, s:b}", "name", a->name, "help",
                     a->help ? a->help : "", "required", a->required, "many", a->many, "secret",
                     a->secret, "flag", a->flag);
}

static json_t *command_json(const struct command *c)
{
    json_t *args = json_array();
    for (const struct admin_arg *a = c->decl->args; a && a->name; a++)
        json_array_append_new(args, arg_json(a));
    json_t *columns = json_array();
    for (const char *const *col = c->decl->columns; col && *col; col++)
        json_array_append_new(columns, json_string(*col));
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", c->decl->name, "help", c->decl->help,
                     "module", c->inst ? c->inst->module->name : "core", "args", args, "columns",
                     columns);
}

json_t *admin_table_json(const struct admin_table *t)
{
    json_t *all = json_array();
    for (size_t i = 0; i < t->n; i++)
        json_array_append_new(all, command_json(&t->commands[i]));
    return all;
}

/* ---- arguments ---- */

static const struct admin_arg *find_arg(const struct admin_command *c, const char *name)
{
    for (const struct admin_arg *a = c->args; a && a->name; a++) {
        if (strcmp(a->name, name) == 0)
            return a;
    }
    return NULL;
}

static bool is_strings(const json_t *value)
{
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item)
    {
        if (!json_is_string(item))
            return false;
    }
    return json_array_size(value) > 0;
}

static int check_value(const struct admin_arg *a, const json_t *value, struct err *e)
{
    if (a->flag)
        return json_is_true(value) ? 0 : err_set(e, "%s takes no value", a->name);
    if (a->many)
        return is_strings(value) ? 0 : err_set(e, "%s: one or more words are expected", a->name);
    return json_is_string(value) ? 0 : err_set(e, "%s: one word is expected", a->name);
}

static int check_args(const struct admin_command *c, json_t *args, struct err *e)
{
    const char *name;
    json_t *value;
    json_object_foreach(args, name, value)
    {
        const struct admin_arg *a = find_arg(c, name);
        if (!a)
            return err_set(e, "'%s' has no argument '%.60s'", c->name, name);
        if (check_value(a, value, e) < 0)
            return -1;
    }
    for (const struct admin_arg *a = c->args; a && a->name; a++) {
        if (a->required && !json_object_get(args, a->name))
            return err_set(e, "'%s' needs %s: %s", c->name, a->name, a->help ? a->help : "");
    }
    return 0;
}

const char *admin_arg_str(const struct admin_call *call, const char *name)
{
    return json_string_value(json_object_get(call->args, name));
}

bool admin_arg_flag(const struct admin_call *call, const char *name)
{
    return json_is_true(json_object_get(call->args, name));
}

/* Overwrites the secrets among the arguments: jansson would leave them in freed memory. */
static void clear_secrets(const struct admin_command *c, json_t *args)
{
    for (const struct admin_arg *a = c->args; a && a->name; a++) {
        const json_t *value = a->secret ? json_object_get(args, a->name) : NULL;
        if (json_is_string(value))
            mem_clear((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    }
}

/* One log line per command, without its secrets. */
static void log_call(const struct admin_command *c, const json_t *args)
{
    struct strbuf b;
    strbuf_init(&b, 500);
    for (const struct admin_arg *a = c->args; a && a->name; a++) {
        const json_t *value = a->secret ? NULL : json_object_get(args, a->name);
        const json_t *first = json_is_array(value) ? json_array_get(value, 0) : value;
        if (json_is_string(first))
            strbuf_printf(&b, " %s=%.200s%s", a->name, json_string_value(first),
                          json_array_size(value) > 1 ? "..." : "");
    }
    log_info("admin", NULL, "%s%s", c->name, strbuf_str(&b));
    strbuf_free(&b);
}

/* ---- calls ---- */

static void send_reply(const struct reply *r, const char *key, json_t *value)
{
    json_t *line = json_object();
    if (r->id)
        json_object_set(line, "id", r->id);
    json_object_set_new(line, key, value);
    r->fn(r->arg, line);
    json_decref(line);
}

void admin_progress(struct admin_call *call, const char *what, int64_t done, int64_t total)
{
    send_reply(call->reply, "progress",
               json_pack("{s:s, s:I, s:I}", "what", what, "done", (json_int_t)done, "total",
                         (json_int_t)total));
}

/* The text may hold what a client sent: replace it whole if it is no UTF-8. */
static json_t *error_text(const struct err *e)
{
    json_t *text = json_string(e->text);
    return text ? text : json_string("the error cannot be shown: it is not UTF-8");
}

static void no_such_command(const struct admin_table *t, const char *name, struct err *e)
{
    struct suggest s;
    suggest_init(&s, name);
    for (size_t i = 0; i < t->n; i++)
        suggest_offer(&s, t->commands[i].decl->name);
    err_set(e, "there is no command '%.60s'%s%s%s", name, s.best ? "; did you mean '" : "",
            s.best ? s.best : "", s.best ? "'?" : "");
}

static int run(const struct command *c, struct admin_call *call)
{
    if (check_args(c->decl, call->args, &call->error) < 0)
        return -1;
    log_call(c->decl, call->args);
    return c->decl->fn(c->inst, call);
}

void admin_call_run(const struct admin_table *t, json_t *request, admin_reply_fn *fn, void *arg)
{
    struct reply reply = {.id = json_object_get(request, "id"), .fn = fn, .arg = arg};
    struct admin_call call = {.reply = &reply, .error = {"the command failed"}};
    const char *name = json_string_value(json_object_get(request, "command"));
    json_t *args = json_object_get(request, "args");
    call.args = json_is_object(args) ? json_incref(args) : json_object();
    const struct command *c = name ? find_command(t, name) : NULL;
    int result = -1;
    if (!name || (args && !json_is_object(args)))
        err_set(&call.error, "not a request: see core/admin_protocol.h");
    else if (strcmp(name, "commands") == 0)
        result = (call.result = admin_table_json(t)) ? 0 : -1;
    else if (!c)
        no_such_command(t, name, &call.error);
    else
        result = run(c, &call);
    if (c)
        clear_secrets(c->decl, call.args);
    if (result < 0)
        send_reply(&reply, "error", error_text(&call.error));
    else
        send_reply(&reply, "result", call.result ? json_incref(call.result) : json_null());
    json_decref(call.result);
    json_decref(call.args);
}

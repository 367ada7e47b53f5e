/* jackdawctl user add | delete | password | list */
#include "auth.h"

#define LIST_PAGE 500

/* Keys of the call's password. NULL and call->error. */
static struct derivation *derive_keys(struct module_inst *inst, struct admin_call *call)
{
    int result;
    struct derivation *d = auth_derive(inst, admin_arg_str(call, "--password"), &result);
    if (result == 1)
        err_set(&call->error, "this password cannot be used: it is empty, too long, or holds "
                              "characters that cannot be typed everywhere");
    else if (!d)
        err_set(&call->error, "too much to do right now, try again");
    return d;
}

/* A bare JID of one of our hosts, the caller's. NULL and call->error. */
static struct jid *account_jid(struct admin_call *call, const char *text)
{
    struct jid *j = jid_parse_new(text, strlen(text));
    const char *why = NULL;
    if (!j || !jid_has_node(j) || !jid_is_bare(j))
        why = "is not an account's address; write name@host";
    else if (!host_find(jid_domain(j), jid_domain_len(j)))
        why = "is not on a host of this server; see 'jackdawctl status'";
    if (why) {
        err_set(&call->error, "%s %s", text, why);
        jid_free(&j);
    }
    return j;
}

/* What a call into an account needs. */
struct change {
    const struct derivation *keys;
    bool create;
};

/* Whether the store failed between making the account and keeping its keys. */
static bool is_half_made(struct work *w)
{
    struct auth_keys keys;
    int result = auth_read_keys(w->account->owner, &keys);
    bool found = auth_has_keys(&keys);
    mem_clear(&keys, sizeof(keys));
    return result == 0 && !found;
}

/* In the account's order of things. 1: it exists already / there is none. */
static int apply_change(struct work *w, void *arg)
{
    const struct change *c = arg;
    if (w->account->temporary)
        return 1;
    if (c->create) {
        int result = account_create(w);
        if (result == 1 && is_half_made(w))
            result = 0;
        if (result != 0)
            return result;
    } else if (!w->account->exists) {
        return 1;
    }
    int result = auth_store(w, c->keys);
    if (result == 0 && !c->create)
        account_close_sessions(w, "the password has been changed");
    return result;
}

static int remove_account(struct work *w, void *arg)
{
    (void)arg;
    return account_delete(w);
}

/* 0, or -1 and call->error in words. */
static int report(struct admin_call *call, const char *jid, int result, const char *if_one)
{
    if (result == 0)
        return 0;
    if (result == 1)
        return err_set(&call->error, "%s %s", jid, if_one);
    if (result == 2)
        return err_set(&call->error, "%s is being removed: try again in a moment", jid);
    return err_set(&call->error, "the store does not answer; nothing was changed for %s", jid);
}

static int user_add_one(struct module_inst *inst, struct admin_call *call, const char *text)
{
    struct jid *j = account_jid(call, text);
    if (!j)
        return -1;
    int result = -1;
    char node[JID_MAX + 1];
    memcpy(node, j->s, j->node_len);
    node[j->node_len] = '\0';
    struct derivation *d = NULL;
    if (!jid_node_is_precis(node))
        err_set(&call->error, "%s: this name cannot be used for a new account (RFC 8265)", text);
    else
        d = derive_keys(inst, call);
    if (d) {
        struct change c = {.keys = d, .create = true};
        result = report(call, j->s, account_do(j, apply_change, &c),
                        "exists already; 'jackdawctl user password' changes its password");
        auth_derivation_free(d);
    }
    jid_free(&j);
    return result;
}

static int user_add(struct module_inst *inst, struct admin_call *call)
{
    json_t *jids = json_object_get(call->args, "jid"), *jid;
    size_t at, n = json_array_size(jids);
    json_array_foreach(jids, at, jid)
    {
        if (user_add_one(inst, call, json_string_value(jid)) < 0)
            return -1;
        if (n > 1)
            admin_progress(call, "added", (int64_t)at + 1, (int64_t)n);
    }
    call->result = json_pack("{s:O}", "added", jids);
    return 0;
}

static int user_password(struct module_inst *inst, struct admin_call *call)
{
    struct jid *j = account_jid(call, admin_arg_str(call, "jid"));
    if (!j)
        return -1;
    int result = -1;
    struct derivation *d = derive_keys(inst, call);
    if (d) {
        struct change c = {.keys = d};
        result = report(call, j->s, account_do(j, apply_change, &c),
                        "does not exist; see 'jackdawctl user list'");
        auth_derivation_free(d);
    }
    if (result == 0)
        call->result = json_pack("{s:s}", "changed", j->s);
    jid_free(&j);
    return result;
}

static int user_delete(struct module_inst *inst, struct admin_call *call)
{
    (void)inst;
    struct jid *j = account_jid(call, admin_arg_str(call, "jid"));
    if (!j)
        return -1;
    int result = report(call, j->s, account_do(j, remove_account, NULL),
                        "does not exist; see 'jackdawctl user list'");
    if (result == 0)
        call->result = json_pack("{s:s}", "deleted", j->s);
    jid_free(&j);
    return result;
}

/* Appends every account of one host. */
static int list_host(struct admin_call *call, const char *host)
{
    char after[JID_MAX + 1] = "";
    size_t n;
    do {
        struct store_rows *rows;
        if (account_list(host, after, LIST_PAGE, &rows) < 0)
            return err_set(&call->error, "the store does not answer");
        n = store_rows_count(rows);
        for (size_t i = 0; i < n; i++) {
            const char *name = store_str(rows, i, 0);
            json_array_append_new(call->result,
                                  json_pack("{s:o}", "jid", json_sprintf("%s@%s", name, host)));
            snprintf(after, sizeof(after), "%s", name);
        }
        store_rows_free(&rows);
    } while (n == LIST_PAGE);
    return 0;
}

static int user_list(struct module_inst *inst, struct admin_call *call)
{
    const char *host = admin_arg_str(call, "host");
    call->result = json_array();
    return list_host(call, host ? host : inst->host->name);
}

static const struct admin_arg one_jid[] = {
    {.name = "jid", .help = "the account, name@host", .required = true},
    {0},
};
static const struct admin_arg jid_and_password[] = {
    {.name = "jid", .help = "the account, name@host", .required = true},
    {.name = "--password",
     .help = "asked for if it is not given",
     .required = true,
     .secret = true},
    {0},
};
static const struct admin_arg jids_and_password[] = {
    {.name = "--password",
     .help = "asked for if it is not given",
     .required = true,
     .secret = true},
    {.name = "jid", .help = "the new accounts, name@host", .required = true, .many = true},
    {0},
};
static const struct admin_arg maybe_host[] = {
    {.name = "host", .help = "the host; the first one if it is not given"},
    {0},
};

const struct admin_command auth_commands[] = {
    {.name = "user add", .help = "Make accounts", .args = jids_and_password, .fn = user_add},
    {.name = "user delete",
     .help = "Delete an account and all it has",
     .args = one_jid,
     .fn = user_delete},
    {.name = "user password",
     .help = "Change a password and end the account's sessions",
     .args = jid_and_password,
     .fn = user_password},
    {.name = "user list",
     .help = "List the accounts of a host",
     .args = maybe_host,
     .fn = user_list,
     .columns = (const char *const[]){"jid", NULL}},
    {0},
};

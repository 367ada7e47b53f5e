/* register: In-Band Registration (XEP-0077). Everybody may change the password of the account that
 * they are logged in to, and remove it. New accounts may be made by whoever comes only where that
 * is allowed, and by nobody too often. */
#include "core/module.h"

#define ADDRESS_MAX 64

/* What is limited by at_once: each is a long computation. */
#define MAKING "registrations"
#define CHANGING "password changes"
#define BUSY "too much to do right now, try again later"
#define TOO_OFTEN "that was too often, try again later"

#define FORMS 10 /* so often may the form be asked for, for each registration that may be tried */

struct register_conf {
    struct option_list hosts, reserved;
    const char *instructions;
    int64_t per_address, changes, window, at_once, password_min;
};

/* The text in a child of the query, "" if it is not there or empty. */
static const char *field(struct arena *a, const struct xml_el *query, const char *name)
{
    const struct xml_el *el = xml_child(query, NS_REGISTER, name);
    return el ? xml_text_of(a, el) : "";
}

/* What is wrong with a password, NULL if nothing. */
static const char *fault_of(const struct register_conf *conf, const char *password)
{
    char prepared[PASSWORD_MAX];
    int64_t characters = 0;
    if (!saslprep(password, strlen(password), prepared, sizeof(prepared)))
        return "this password is too long, or holds characters that cannot be typed everywhere";
    for (const char *p = prepared; *p; p++)
        characters += ((unsigned char)*p & 0xc0) != 0x80; /* UTF-8: begins one */
    mem_clear(prepared, sizeof(prepared));
    return characters < conf->password_min ? "this password is too short" : NULL;
}

/* Notes that `who` does `what` once more; false if that has been more than `max` times of late. */
static bool count(const struct register_conf *conf, const char *what, const char *who, int64_t max)
{
    const struct throttle_rate rate = {max, conf->window};
    uint64_t key = throttle_key(what, who, "");
    if (throttle_full(THROTTLE_REGISTRATIONS, key, &rate))
        return false;
    throttle_add(THROTTLE_REGISTRATIONS, key, &rate);
    return true;
}

/* The same for what comes from an address. */
static bool count_from(const struct register_conf *conf, const char *what, const char *address,
                       int64_t max)
{
    char network[QUOTA_NETWORK_MAX];
    quota_network(address, network);
    if (count(conf, what, network, max))
        return true;
    log_info("register", address, "too many %s from there: refused for now", what);
    return false;
}

static void forget(const char *password)
{
    mem_clear((char *)(uintptr_t)password, strlen(password));
}

/* <query/> with what a form asks for: the name of the account, if it is there already, or an empty
 * field. */
static void add_form(const struct register_conf *conf, struct stanza *reply, const char *name)
{
    struct arena *a = reply->arena;
    struct xml_el *query = st_add(reply, NS_REGISTER, A_query);
    if (name)
        xml_add(a, query, NS_REGISTER, A_registered);
    else
        xml_text(a, xml_add(a, query, NS_REGISTER, A_instructions), conf->instructions);
    struct xml_el *username = xml_add(a, query, NS_REGISTER, A_username);
    if (name)
        xml_text(a, username, name);
    xml_add(a, query, NS_REGISTER, A_password);
}

/* ---- before the login: a new account ---- */

/* Whether anybody may make an account on the instance's host. */
static bool is_open(const struct module_inst *inst)
{
    const struct register_conf *conf = inst->conf;
    for (size_t i = 0; i < conf->hosts.n; i++) {
        struct jid *host = jid_parse_new(conf->hosts.items[i], strlen(conf->hosts.items[i]));
        bool this_one = host && jid_equal(host, inst->host->jid);
        jid_free(&host);
        if (this_one)
            return true;
    }
    return false;
}

static void features(struct module_inst *inst, struct stream *s, struct xml_el *features)
{
    if (stream_phase(s) == STREAM_SECURE && is_open(inst))
        xml_add(stream_features_arena(s), features, NS_REGISTER_FEATURE, A_register);
}

/* Whoever is refused too often has to connect again: as with failed logins. */
static void refuse(struct stream *s, const struct stanza *iq, enum stanza_error cond,
                   const char *text)
{
    struct stanza *error = stanza_error(iq, cond, text);
    stream_send_stanza(s, error, NULL);
    stanza_unref(&error);
    stream_auth_failed(s);
}

/* The address of a new account of this name; NULL if it cannot be one. */
static const struct jid *new_address(struct arena *a, const struct host *host, const char *name)
{
    const struct jid *j = jid_make(a, name, host->name, NULL, true);
    if (!j || !jid_has_node(j) || !jid_node_is_precis(arena_strndup(a, j->s, j->node_len)))
        return NULL;
    return j;
}

static bool is_reserved(struct arena *a, const struct register_conf *conf, const struct host *host,
                        const struct jid *account)
{
    for (size_t i = 0; i < conf->reserved.n; i++) {
        const struct jid *j = jid_make(a, conf->reserved.items[i], host->name, NULL, true);
        if (j && jid_equal(j, account))
            return true;
    }
    return false;
}

/* What comes of it. Negative: it cannot be done now. */
enum { MADE, TAKEN, STILL_HELD, UNUSABLE };

/* In the order of things of the account to be. */
static int make_account(struct work *w, void *password)
{
    int result = account_create(w);
    if (result != 0)
        return result > 1 ? STILL_HELD : result;
    result = account_set_password(w, password);
    if (result != 0 && account_delete(w) != 0)
        log_error("register", w->account->jid->s,
                  "the new account has no password, and could not be removed again: "
                  "nobody can log in to it; 'jackdawctl user password' gives it one");
    return result == 1 ? UNUSABLE : result;
}

static void tell(struct stream *s, const struct stanza *iq, int result)
{
    static const struct {
        enum stanza_error cond;
        const char *text;
    } refusals[] = {
        [TAKEN] = {SE_CONFLICT, "this name is taken"},
        [STILL_HELD] = {SE_RESOURCE_CONSTRAINT, "who had this name is still leaving: try again"},
        [UNUSABLE] = {SE_NOT_ACCEPTABLE, "this password cannot be used"},
    };
    if (result == MADE) {
        struct stanza *reply = stanza_reply(iq);
        stream_send_stanza(s, reply, NULL);
        stanza_unref(&reply);
    } else if (result < 0) {
        refuse(s, iq, SE_RESOURCE_CONSTRAINT, BUSY);
    } else {
        refuse(s, iq, refusals[result].cond, refusals[result].text);
    }
}

static void make(const struct register_conf *conf, struct stream *s, const struct stanza *iq,
                 const struct jid *account, const char *password)
{
    char from[ADDRESS_MAX];
    snprintf(from, sizeof(from), "%s", conn_peer_address(stream_conn(s)));
    if (!quota_take(MAKING, conf->at_once)) {
        refuse(s, iq, SE_RESOURCE_CONSTRAINT, BUSY);
        return;
    }
    if (count_from(conf, MAKING, from, conf->per_address)) {
        int result = account_do(account, make_account, (char *)(uintptr_t)password);
        if (result == MADE)
            log_info("register", account->s, "registered from %s", from);
        tell(s, iq, result);
    } else {
        refuse(s, iq, SE_RESOURCE_CONSTRAINT, TOO_OFTEN);
    }
    quota_give(MAKING);
}

/* Section 3.1. */
static void sign_up(struct module_inst *inst, struct stream *s, struct stanza *iq,
                    struct xml_el *query)
{
    const struct register_conf *conf = inst->conf;
    struct arena *a = iq->arena;
    const char *name = field(a, query, A_username), *password = field(a, query, A_password);
    const char *fault = fault_of(conf, password);
    const struct jid *account = new_address(a, inst->host, name);
    if (!*name || !*password)
        refuse(s, iq, SE_NOT_ACCEPTABLE, "a user name and a password are needed");
    else if (!account)
        refuse(s, iq, SE_NOT_ACCEPTABLE, "this name cannot be used (RFC 8265)");
    else if (is_reserved(a, conf, inst->host, account))
        refuse(s, iq, SE_CONFLICT, "this name is taken");
    else if (fault)
        refuse(s, iq, SE_NOT_ACCEPTABLE, fault);
    else
        make(conf, s, iq, account, password);
    forget(password);
}

static void send_form(const struct module_inst *inst, struct stream *s, const struct stanza *iq)
{
    const struct register_conf *conf = inst->conf;
    if (!count_from(conf, "requests for the form", conn_peer_address(stream_conn(s)),
                    FORMS * conf->per_address)) {
        refuse(s, iq, SE_RESOURCE_CONSTRAINT, TOO_OFTEN);
        return;
    }
    struct stanza *reply = stanza_reply(iq);
    add_form(inst->conf, reply, NULL);
    stream_send_stanza(s, reply, NULL);
    stanza_unref(&reply);
}

/* Whether it is a request, and to the host of the stream. */
static bool is_for_host(const struct stream *s, const struct stanza *iq)
{
    return (iq->type == TYPE_GET || iq->type == TYPE_SET) &&
           (iq->to ? jid_equal(iq->to, stream_host(s)->jid) : !st_attr(iq, A_to));
}

static void before_login(struct module_inst *inst, struct stream *s, struct stanza *iq)
{
    struct xml_el *query = xml_first(iq->el);
    if (!is_for_host(s, iq))
        stream_close(s, STREAM_NOT_AUTHORIZED, "authentication comes first");
    else if (!is_open(inst))
        refuse(s, iq, SE_SERVICE_UNAVAILABLE, NULL);
    else if (!iq->id || xml_next(query))
        refuse(s, iq, SE_BAD_REQUEST, "an iq has an id and exactly one child element");
    else if (iq->type == TYPE_GET)
        send_form(inst, s, iq);
    else if (xml_child(query, NS_REGISTER, A_remove))
        refuse(s, iq, SE_UNEXPECTED_REQUEST, "log in to what is to be removed");
    else
        sign_up(inst, s, iq, query);
}

/* ---- after the login: one's own account ---- */

static const char *own_name(struct arena *a, const struct work *w)
{
    const struct jid *own = w->account->jid;
    return arena_strndup(a, own->s, own->node_len);
}

/* Other hosts, and anonymous users, have nothing to do with this account. */
static bool is_own_host(struct work *w)
{
    if (w->host == w->account->host && !w->account->temporary)
        return true;
    work_reject(w, SE_SERVICE_UNAVAILABLE, NULL);
    return false;
}

static void get(struct module_inst *inst, struct work *w, struct xml_el *query)
{
    (void)query;
    if (!is_own_host(w))
        return;
    struct stanza *reply = work_reply(w);
    add_form(inst->conf, reply, own_name(reply->arena, w));
    work_answer(w, reply);
}

/* Whoever had the old one has to log in again. Takes a place in CHANGING, which is given back. */
static void set_password(struct work *w, const char *password)
{
    int result = account_set_password(w, password);
    quota_give(CHANGING);
    if (result < 0) {
        work_reject(w, SE_RESOURCE_CONSTRAINT, BUSY);
    } else if (result > 0) {
        work_reject(w, SE_NOT_ALLOWED, "passwords are not kept here");
    } else {
        log_info("register", w->account->jid->s, "has changed its password; other sessions end");
        work_answer(w, work_reply(w));
        account_close_others(w, "the password has been changed");
    }
}

/* Section 3.3. */
static void change_password(const struct register_conf *conf, struct work *w,
                            const struct xml_el *query)
{
    struct arena *a = w->st->arena;
    const char *name = field(a, query, A_username), *password = field(a, query, A_password);
    const char *fault = fault_of(conf, password);
    const struct jid *j = jid_make(a, name, w->host->name, NULL, true);
    if (!*name || !*password)
        work_reject(w, SE_BAD_REQUEST, "a user name and a password are needed");
    else if (!j || !jid_equal(j, w->account->jid))
        work_reject(w, SE_NOT_ACCEPTABLE, "only the password of this account can be changed");
    else if (fault)
        work_reject(w, SE_NOT_ACCEPTABLE, fault);
    else if (!count(conf, CHANGING, w->account->jid->s, conf->changes))
        work_reject(w, SE_RESOURCE_CONSTRAINT, TOO_OFTEN);
    else if (!quota_take(CHANGING, conf->at_once))
        work_reject(w, SE_RESOURCE_CONSTRAINT, BUSY);
    else
        set_password(w, password);
    forget(password);
}

/* Section 3.2. */
static void remove_account(struct work *w, const struct xml_el *query)
{
    if (xml_next(xml_first(query))) {
        work_reject(w, SE_BAD_REQUEST, "<remove/> stands alone");
        return;
    }
    log_info("register", w->account->jid->s, "removes its account");
    if (account_delete(w) < 0)
        work_reject(w, SE_RESOURCE_CONSTRAINT, BUSY);
}

static void set(struct module_inst *inst, struct work *w, struct xml_el *query)
{
    if (!is_own_host(w))
        return;
    if (xml_child(query, NS_REGISTER, A_remove))
        remove_account(w, query);
    else
        change_password(inst->conf, w, query);
}

/* ---- the module ---- */

/* A host that is written wrong would stay closed without a word. */
static int start(struct module_inst *inst, struct err *e)
{
    const struct register_conf *conf = inst->conf;
    for (size_t i = 0; i < conf->hosts.n; i++) {
        const char *name = conf->hosts.items[i];
        struct jid *j = jid_parse_new(name, strlen(name));
        bool ours = j && host_find(j->s, j->len);
        jid_free(&j);
        if (!ours)
            return err_set(e, "module register: hosts: '%s' is not a host of this server", name);
    }
    return 0;
}

static const struct option register_options[] = {
    OPTION_LIST_AT(struct register_conf, hosts, NULL, .reloadable = true,
                   .help = "Hosts on which whoever comes may make an account. None if it is not "
                           "given. Passwords can be changed and accounts be removed by their "
                           "owners in any case."),
    OPTION_STRING_AT(struct register_conf, instructions, "Choose a user name and a password.",
                     .reloadable = true, .help = "What is said to whoever makes an account."),
    OPTION_LIST_AT(struct register_conf, reserved,
                   "abuse admin administrator hostmaster info noc noreply postmaster root security "
                   "server support webmaster",
                   .reloadable = true, .help = "Names that nobody may choose."),
    OPTION_INT_AT(struct register_conf, per_address, "10", 1, 1000000, .reloadable = true,
                  .help = "Registrations that one address may try within `window`, also those of "
                          "names that are taken. An IPv6 /64 counts as one address."),
    OPTION_INT_AT(struct register_conf, changes, "10", 1, 1000000, .reloadable = true,
                  .help = "Changes of its password that an account may try within `window`."),
    OPTION_DURATION_AT(struct register_conf, window, "1h", CLOCK_SEC, 7 * 86400 * CLOCK_SEC,
                       .reloadable = true,
                       .help = "How long it takes until that many are forgotten."),
    OPTION_INT_AT(struct register_conf, at_once, "2", 1, 1000, .reloadable = true,
                  .help = "Registrations that are worked on at once, and as many changes of "
                          "passwords; more are refused for now, so that logins need not wait "
                          "behind them."),
    OPTION_INT_AT(struct register_conf, password_min, "8", 1, 100, .reloadable = true,
                  .help = "Characters that a new password has at least."),
    {0},
};

JACKDAW_MODULE(register) = {
    JACKDAW_MODULE_HEAD,
    .name = "register",
    .summary = "Password changes, removal and, where it is allowed, making of accounts by clients",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0077", "2.4", "without data forms and error codes"}, {0}},
    .options = register_options,
    .conf_size = sizeof(struct register_conf),
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(stream_features, PHASE_MAIN, features),
            HOOK_END,
        },
    .iqs =
        (const struct iq_entry[]){
            {NS_REGISTER, A_query, TYPE_GET, IQ_ACCOUNT | IQ_HOST, IQ_OWN, IQ_ORDERED, get},
            {NS_REGISTER, A_query, TYPE_SET, IQ_ACCOUNT | IQ_HOST, IQ_OWN, IQ_STORES, set},
            {0},
        },
    .nonzas =
        (const struct nonza_entry[]){
            {NS_REGISTER, A_query, STREAM_SECURE, before_login, true},
            {0},
        },
    .host_features = (const char *const[]){NS_REGISTER, NULL},
    .start = start,
};

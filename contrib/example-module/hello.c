/* An example of a module built outside of Jackdaw's tree: it counts the messages that each account
 * sends, answers <hello xmlns='urn:example:hello'/> with a greeting and that number, and adds the
 * command "hello" to jackdawctl. */
#include "core/module.h"

/* Its options: module "hello" { greeting = "Ahoy" } */
struct hello_conf {
    const char *greeting;
    int64_t times;
};

static const struct option options[] = {
    OPTION_STRING_AT(struct hello_conf, greeting, "Hello", .help = "What is said."),
    OPTION_INT_AT(struct hello_conf, times, "1", 1, 10, .help = "How often it is said."),
    {0},
};

/* What it keeps with each account that is in memory. Only the account's home touches it: no locks.
 */
struct hello_account {
    unsigned long long sent;
};

/* Every message of a client, before it is routed. */
static enum hook_result count_message(struct module_inst *inst, struct work *w)
{
    struct hello_account *slot = account_slot(w->account, inst);
    slot->sent++;
    return HOOK_CONTINUE;
}

/* <iq type='get'><hello xmlns='urn:example:hello'/></iq> to one's own account. */
static void answer(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    const struct hello_conf *conf = inst->conf;
    const struct hello_account *slot = account_slot_peek(w->account, inst);
    struct stanza *reply = work_reply(w);
    struct xml_el *hello = st_add(reply, "urn:example:hello", "hello");
    (void)child;
    xml_text(reply->arena, hello, conf->greeting);
    xml_set(reply->arena, hello, "sent", arena_printf(reply->arena, "%llu", slot ? slot->sent : 0));
    work_answer(w, reply);
}

/* jackdawctl hello [NAME] */
static int say(struct module_inst *inst, struct admin_call *call)
{
    const struct hello_conf *conf = inst->conf;
    const char *name = admin_arg_str(call, "name");
    call->result = json_array();
    for (int64_t i = 0; i < conf->times; i++)
        json_array_append_new(call->result,
                              json_sprintf("%s, %s!", conf->greeting, name ? name : "world"));
    return 0;
}

static int start(struct module_inst *inst, struct err *e)
{
    const struct hello_conf *conf = inst->conf;
    if (conf->greeting[0] == '\0')
        return err_set(e, "an empty greeting is no greeting");
    log_info("hello", inst->host->name, "will say '%s'", conf->greeting);
    return 0;
}

JACKDAW_MODULE(hello) = {
    JACKDAW_MODULE_HEAD,
    .name = "hello",
    .summary = "An example: greets, and counts the messages an account sends",
    .options = options,
    .conf_size = sizeof(struct hello_conf),
    .account_size = sizeof(struct hello_account),
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(message_out, PHASE_LAST, count_message),
            HOOK_END,
        },
    .iqs =
        (const struct iq_entry[]){
            {"urn:example:hello", "hello", TYPE_GET, IQ_ACCOUNT, IQ_OWN, IQ_ORDERED, answer},
            {0},
        },
    .account_features = (const char *const[]){"urn:example:hello", NULL},
    .commands =
        (const struct admin_command[]){
            {.name = "hello",
             .help = "Says hello",
             .args = (const struct admin_arg[]){{.name = "name", .help = "to whom"}, {0}},
             .fn = say},
            {0},
        },
    .start = start,
};

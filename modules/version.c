/* version: Software Version (XEP-0092) of the server. */
#include <sys/utsname.h>

#include "core/module.h"

#include <config.h>

struct version_conf {
    bool show_version, show_os;
};

static void version(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    const struct version_conf *conf = inst->conf;
    (void)child;
    struct stanza *reply = work_reply(w);
    struct arena *a = reply->arena;
    struct xml_el *query = st_add(reply, NS_VERSION, A_query);
    xml_text(a, xml_add(a, query, NS_VERSION, A_name), "Jackdaw");
    struct xml_el *number = xml_add(a, query, NS_VERSION, A_version); /* required, so maybe empty */
    if (conf->show_version)
        xml_text(a, number, VERSION);
    struct utsname os;
    if (conf->show_os && uname(&os) == 0)
        xml_text(a, xml_add(a, query, NS_VERSION, "os"), arena_strdup(a, os.sysname));
    work_answer(w, reply);
}

static const struct option version_options[] = {
    OPTION_BOOL_AT(struct version_conf, show_version, "yes", .reloadable = true,
                   .help = "Tell the version number to whoever asks"),
    OPTION_BOOL_AT(struct version_conf, show_os, "no", .reloadable = true,
                   .help = "Tell the name of the operating system to whoever asks"),
    {0},
};

JACKDAW_MODULE(version) = {
    JACKDAW_MODULE_HEAD,
    .name = "version",
    .summary = "Tells which server this is",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0092", "1.1", ""}, {0}},
    .options = version_options,
    .conf_size = sizeof(struct version_conf),
    .iqs =
        (const struct iq_entry[]){
            {NS_VERSION, A_query, TYPE_GET, IQ_HOST, IQ_ANYONE, IQ_ASIDE, version},
            {0},
        },
    .host_features = (const char *const[]){NS_VERSION, NULL},
};

/* time: Entity Time (XEP-0202) of the server. */
#include <stdlib.h>
#include <time.h>

#include "core/module.h"

/* "+01:00": how far the server's local time is ahead of UTC (XEP-0082 section 3.3). */
static char *zone(struct arena *a, int64_t wall)
{
    struct tm local;
    time_t seconds = (time_t)(wall / CLOCK_SEC);
    long minutes = localtime_r(&seconds, &local) ? local.tm_gmtoff / 60 : 0;
    return arena_printf(a, "%c%02ld:%02ld", minutes < 0 ? '-' : '+', labs(minutes) / 60,
                        labs(minutes) % 60);
}

static void tell_time(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    (void)child;
    char utc[32];
    int64_t now = clock_wall();
    clock_format(now, utc);
    struct stanza *reply = work_reply(w);
    struct arena *a = reply->arena;
    struct xml_el *time = st_add(reply, NS_TIME, "time");
    xml_text(a, xml_add(a, time, NS_TIME, "tzo"), zone(a, now));
    xml_text(a, xml_add(a, time, NS_TIME, "utc"), arena_strdup(a, utc));
    work_answer(w, reply);
}

JACKDAW_MODULE(time) = {
    JACKDAW_MODULE_HEAD,
    .name = "time",
    .summary = "Tells what time it is here",
    .standard = true,
    .xeps = (const struct module_xep[]){{"0202", "2.0", ""}, {0}},
    .iqs =
        (const struct iq_entry[]){
            {NS_TIME, "time", TYPE_GET, IQ_HOST, IQ_ANYONE, IQ_ASIDE, tell_time},
            {0},
        },
    .host_features = (const char *const[]){NS_TIME, NULL},
};

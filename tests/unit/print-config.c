/* Prints what etc/ holds of the option tables of the core and of all modules: "sample"
 * (jackdaw.conf) or "manual" (the tables of jackdaw.conf(5)). tests/unit/test-docs compares and
 * updates. */
#include "base/strbuf.h"
#include "core/config.h"
#include "core/loader.h"

int main(int argc, char **argv)
{
    if (argc != 2 || (strcmp(argv[1], "sample") != 0 && strcmp(argv[1], "manual") != 0)) {
        fputs("usage: print-config sample|manual\n", stderr);
        return 2;
    }
    struct loader *l = loader_new();
    const struct module *const *modules;
    unsigned n = loader_all(l, NULL, &modules);
    struct strbuf out;
    strbuf_init(&out, 1 << 20);
    if (strcmp(argv[1], "sample") == 0)
        config_sample(&out, modules, n);
    else
        config_manual(&out, modules, n);
    fputs(strbuf_str(&out), stdout);
    strbuf_free(&out);
    loader_free(&l);
    return n > 0 ? 0 : 1;
}

/* The slow road of preparation, through ICU. Only jid.c uses this. */
#ifndef JACKDAW_XMPP_JID_PREP_H
#define JACKDAW_XMPP_JID_PREP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

enum prep_profile { PREP_NODE, PREP_RESOURCE, PREP_SASL, PREP_PROFILES };

/* Applies a stringprep profile (unassigned code points allowed) to UTF-8. Returns the length of the
 * NUL-terminated result in `out`, 0 if the text is empty after it, is not valid, does not fit, or
 * would be changed by a second application. */
size_t prep_string(enum prep_profile profile, const char *s, size_t len, char *out,
                   size_t out_size);

/* Applies UTS 46 to a domain name: to U-labels. Returns as above; checks nothing about ASCII. */
size_t prep_domain_name(const char *s, size_t len, char *out, size_t out_size);

/* The same domain name in A-labels, as DNS and certificates have it. Returns as above. */
size_t prep_domain_ascii(const char *s, size_t len, char *out, size_t out_size);

#endif

/* Data forms (XEP-0004), as they are written. */
#ifndef JACKDAW_XMPP_FORM_H
#define JACKDAW_XMPP_FORM_H

#include "xml/tree.h"

/* A new form at the end of `parent`: `type` is "form", "submit", "result" or "cancel"
 * (section 3.1), `form_type` what its fields are about, in a hidden field FORM_TYPE (XEP-0068), or
 * NULL. Strings are not copied, here and below. Returns the form. */
struct xml_el *form_add(struct arena *a, struct xml_el *parent, const char *type,
                        const char *form_type);

/* A new field of the form, without values; `type` as section 3.3 names it ("list-multi"), NULL for
 * none. Returns the field. */
struct xml_el *form_field(struct arena *a, struct xml_el *form, const char *var, const char *type);

/* One more value of a field. */
void form_value(struct arena *a, struct xml_el *field, const char *value);

#endif

/* Entity Capabilities (XEP-0115): what an entity can do, as a short name that is the same for all
 * that can do the same. Pure. */
#ifndef JACKDAW_XMPP_CAPS_H
#define JACKDAW_XMPP_CAPS_H

#include "xml/tree.h"
#include "xmpp/base64.h"

#define CAPS_VER_SIZE BASE64_SIZE(20)

/* The verification string (section 5.1, SHA-1) of a disco#info <query/>. What section 5.4 calls
 * ill-formed is not looked for. */
void caps_ver(const struct xml_el *query, char ver[CAPS_VER_SIZE]);

#endif

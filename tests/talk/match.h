/* Whether a stanza is what a pattern says.
 *
 * A pattern is XML. Its elements and attributes must be there; what it does not mention may be
 * there too. A text in the pattern must be the element's text; an element without text or children
 * says nothing about them. Children match in any order, each its own. In attributes and text:
 *   *         anything           {name}    what the variable holds, or else what it will hold
 *   {none}    the attribute is not there, the text is empty
 *   {/re/}    an extended regular expression for all of it
 * On an element: t:is='absent' no such child may be there; t:children='only' no others may be
 * there; t:children='ordered' these children, in this order among those that match. */
#ifndef TALK_MATCH_H
#define TALK_MATCH_H

#include "dialogue.h"

/* Whether `n` is what `pattern` says. Variables that it captures are set only if it is. */
bool match_node(struct dialogue *d, const struct node *pattern, const struct node *n);

/* The same for a text. */
bool match_text(struct dialogue *d, const char *pattern, const char *text);

#endif

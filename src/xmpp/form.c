#include "xmpp/form.h"

struct xml_el *form_add(struct arena *a, struct xml_el *parent, const char *type,
                        const char *form_type)
{
    struct xml_el *form = xml_add(a, parent, NS_DATA, A_x);
    xml_set(a, form, A_type, type);
    if (form_type)
        form_value(a, form_field(a, form, "FORM_TYPE", "hidden"), form_type);
    return form;
}

struct xml_el *form_field(struct arena *a, struct xml_el *form, const char *var, const char *type)
{
    struct xml_el *field = xml_add(a, form, NS_DATA, A_field);
    xml_set(a, field, A_var, var);
    return type ? xml_set(a, field, A_type, type) : field;
}

void form_value(struct arena *a, struct xml_el *field, const char *value)
{
    xml_text(a, xml_add(a, field, NS_DATA, A_value), value);
}

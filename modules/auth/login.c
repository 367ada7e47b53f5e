/* Failed logins are counted per network they come from, per account, and per both. What is beyond a
 * limit is refused before it is looked at, whether the password is right or not and whether there
 * is such an account or not.
 *
 * Nobody can lock an account's owner out by failing for him: from where he has logged in of late
 * only his own failures there count. He has to share the account's limit with whoever guesses only
 * in a place where he is new, and the limit of an address only until he has logged in there. */
#include "auth.h"

#define REMEMBERED (30 * 24 * 3600 * CLOCK_SEC) /* where an account has logged in */

static const struct throttle_rate once = {1, REMEMBERED};

void login_begin(struct exchange *x, const char *user)
{
    const char *who = x->account ? x->account->s : user;
    char network[QUOTA_NETWORK_MAX];
    quota_network(x->from, network);
    x->login = (struct login){
        .address = throttle_key("address", network, ""),
        .account = throttle_key("account", who, ""),
        .both = throttle_key("both", who, network),
    };
}

static struct throttle_rate rate(const struct auth_conf *conf, int64_t max)
{
    return (struct throttle_rate){max, conf->failures_window};
}

static bool is_known(const struct exchange *x)
{
    return throttle_full(THROTTLE_SUCCESSES, x->login.both, &once);
}

const char *login_blocked(const struct module_inst *inst, const struct exchange *x)
{
    const struct auth_conf *conf = inst->conf;
    const struct throttle_rate per_address = rate(conf, conf->failures_per_address),
                               per_account = rate(conf, conf->failures_per_account),
                               per_both = rate(conf, conf->failures_per_both);
    if (throttle_full(THROTTLE_FAILURES, x->login.both, &per_both))
        return "too many failures from here for this account, tries are refused for now (option "
               "failures_per_both)";
    if (is_known(x))
        return NULL;
    if (throttle_full(THROTTLE_FAILURES, x->login.address, &per_address))
        return "too many failures from this address, where the account is new: tries are refused "
               "for now (option failures_per_address)";
    if (throttle_full(THROTTLE_FAILURES, x->login.account, &per_account))
        return "too many failures for this account, which is new at this address: tries are "
               "refused for now (option failures_per_account)";
    return NULL;
}

void login_failed(const struct module_inst *inst, const struct exchange *x)
{
    const struct auth_conf *conf = inst->conf;
    const struct throttle_rate per_address = rate(conf, conf->failures_per_address),
                               per_account = rate(conf, conf->failures_per_account),
                               per_both = rate(conf, conf->failures_per_both);
    throttle_add(THROTTLE_FAILURES, x->login.both, &per_both);
    if (is_known(x))
        return;
    throttle_add(THROTTLE_FAILURES, x->login.address, &per_address);
    throttle_add(THROTTLE_FAILURES, x->login.account, &per_account);
}

void login_succeeded(const struct exchange *x)
{
    throttle_forget(THROTTLE_FAILURES, x->login.both);
    throttle_forget(THROTTLE_SUCCESSES, x->login.both); /* remembered from now */
    throttle_add(THROTTLE_SUCCESSES, x->login.both, &once);
}

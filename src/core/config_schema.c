#include "core/config_schema.h"

#include "base/clock.h"
#include "core/config.h"
#include "net/tls.h"

#define MINUTE (60 * CLOCK_SEC)
#define HOUR (60 * MINUTE)
#define KIB 1024LL
#define MIB (1024 * KIB)

static const char *const buses[] = {"local", "loopback", NULL};
static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const log_targets[] = {"stderr", "file", "syslog", "journald", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const store_drivers[] = {"sqlite", "postgres", NULL};
static const char *const tls_versions[] = {"1.2", "1.3", NULL};
static const char *const conflicts[] = {"replace", "refuse", "rename", NULL};
static const char *const tls_modes[] = {"starttls", "direct", NULL};

static const struct option root_options[] = {
    OPTION_STRING_AT(struct config, data_dir, NULL, .path = true, .required = true,
                     .help = "Where the server keeps its files: the embedded database, "
                             "certificates it made, the control socket."),
    OPTION_STRING_AT(struct config, control_socket, NULL, .path = true,
                     .help = "The Unix socket that jackdawctl talks to; jackdaw.sock in data_dir "
                             "unless set."),
    OPTION_STRING_AT(struct config, node, NULL,
                     .help = "This server's name among others of a cluster; the machine's host "
                             "name unless set."),
    OPTION_STRING_AT(struct config, module_dir, NULL, .path = true,
                     .help = "Where modules are loaded from; the installed ones unless set."),
    OPTION_INT_AT(struct config, workers, "0", 0, 256,
                  .help = "Threads that serve; 0 means one per processor."),
    OPTION_ENUM_AT(struct config, bus, "local", buses,
                   .help =
                       "How items cross between workers; \"loopback\" encodes and decodes each, "
                       "for tests."),
    {0},
};

static const struct option log_options[] = {
    OPTION_ENUM_AT(struct config_log, level, "info", log_levels, .reloadable = true,
                   .help = "The most verbose lines that are written."),
    OPTION_LIST_AT(struct config_log, areas, NULL, .reloadable = true,
                   .help = "Another level for single areas, such as {\"stream=debug\", "
                           "\"store=warn\"}. Areas are the modules and account, admin, cache, "
                           "listener, loop, modules, server, store, stream, tls."),
    OPTION_ENUM_AT(struct config_log, target, "stderr", log_targets, .reloadable = true,
                   .help = "Where lines go."),
    OPTION_STRING_AT(struct config_log, file, NULL, .path = true, .reloadable = true,
                     .help = "The file, for the target file. It is opened anew on reload, after "
                             "logrotate has moved the old one away."),
    OPTION_ENUM_AT(struct config_log, format, "text", log_formats, .reloadable = true,
                   .help = "One line of text or one JSON object per event; journald always has "
                           "fields (JACKDAW_AREA, JACKDAW_OBJECT)."),
    {0},
};

static const struct option host_options[] = {
    OPTION_STRING_AT(struct config_host, certificate, NULL, .path = true, .reloadable = true,
                     .help = "PEM file with the certificate and the chain after it; without one, a "
                             "self-signed certificate is made in data_dir."),
    OPTION_STRING_AT(struct config_host, key, NULL, .path = true, .reloadable = true,
                     .help = "PEM file with the certificate's private key."),
    OPTION_STRING_AT(struct config_host, client_ca, NULL, .path = true, .reloadable = true,
                     .help = "PEM file with certificates of those who may vouch for users: clients "
                             "are asked for a certificate and may log in with one that these have "
                             "signed and that names their address as id-on-xmppAddr (SASL "
                             "EXTERNAL)."),
    OPTION_BOOL_AT(struct config_host, anonymous, "no",
                   .help = "Whether anybody may log in without an account (SASL ANONYMOUS): each "
                           "gets a random address, and nothing of it is stored."),
    OPTION_LIST_AT(struct config_host, modules, NULL,
                   .help = "The modules of this host, instead of the standard ones; what they "
                           "require comes with them."),
    OPTION_LIST_AT(struct config_host, abuse_addresses, NULL,
                   .help = "Where to report abuse, as URIs such as mailto:abuse@example.org; "
                           "clients may ask for all these addresses (XEP-0157)."),
    OPTION_LIST_AT(struct config_host, admin_addresses, NULL, .help = "Who runs this host."),
    OPTION_LIST_AT(struct config_host, feedback_addresses, NULL, .help = "Where opinions go."),
    OPTION_LIST_AT(struct config_host, sales_addresses, NULL, .help = "Who sells the service."),
    OPTION_LIST_AT(struct config_host, security_addresses, NULL,
                   .help = "Where to report a hole in its security."),
    OPTION_LIST_AT(struct config_host, status_addresses, NULL,
                   .help = "Where it says whether the service works, such as "
                           "https://status.example.org."),
    OPTION_LIST_AT(struct config_host, support_addresses, NULL, .help = "Who helps users."),
    {0},
};

static const struct option listen_options[] = {
    OPTION_STRING_AT(struct config_listen, module, "c2s",
                     .help = "The module that serves the connections."),
    OPTION_STRING_AT(struct config_listen, address, "*",
                     .help = "An IPv4 or IPv6 address; \"*\" is every address of this machine."),
    OPTION_INT_AT(struct config_listen, port, "5222", 0, 65535,
                  .help = "The TCP port; 0 takes any free one, see 'jackdawctl status'."),
    OPTION_ENUM_AT(struct config_listen, tls, "starttls", tls_modes,
                   .help = "Whether clients ask for TLS after connecting or begin with it."),
    OPTION_LIST_AT(struct config_listen, proxy_trusted, NULL,
                   .help = "Addresses and networks of load balancers: connections from there must "
                           "begin with a PROXY protocol header (1 or 2), which says who the client "
                           "is. Others are served as they come."),
    {0},
};

static const struct option tls_options[] = {
    OPTION_ENUM_AT(struct config_tls, min_version, "1.2", tls_versions, .reloadable = true,
                   .help = "The oldest version of TLS that is spoken."),
    OPTION_STRING_AT(struct config_tls, ciphers, TLS_CIPHERS, .reloadable = true,
                     .help =
                         "The ciphers of TLS 1.2 in order of preference, as OpenSSL names them; "
                         "those of TLS 1.3 need no choice."),
    {0},
};

static const struct option store_options[] = {
    OPTION_ENUM_AT(struct config_store, driver, "sqlite", store_drivers,
                   .help = "The embedded database, or a PostgreSQL server (15 or later)."),
    OPTION_STRING_AT(struct config_store, target, NULL,
                     .help = "sqlite: the database file, jackdaw.db in data_dir unless set. "
                             "postgres: a libpq connection string."),
    OPTION_INT_AT(struct config_store, lanes, "2", 1, 64,
                  .help = "postgres: connections per worker that write."),
    OPTION_INT_AT(struct config_store, readers, "2", 1, 64,
                  .help = "postgres: connections per worker that read. sqlite: reading threads."),
    OPTION_INT_AT(struct config_store, batch_rows, "200", 1, 10000,
                  .help = "A batch of writes is sent at the latest with so many."),
    OPTION_DURATION_AT(struct config_store, batch_wait, "2ms", 0, CLOCK_SEC,
                       .help = "Or when its oldest write is so old; an idle lane sends at once."),
    OPTION_INT_AT(struct config_store, queue_max, "10000", 1, 10000000,
                  .help = "Statements that may wait per lane and worker; more are refused."),
    OPTION_DURATION_AT(struct config_store, patience, "5s", CLOCK_MS, HOUR,
                       .help = "How long a statement waits while the database is away."),
    OPTION_DURATION_AT(struct config_store, statement_timeout, "10s", CLOCK_MS, HOUR,
                       .help = "postgres: a statement that takes longer is given up."),
    {0},
};

static const struct option cache_options[] = {
    OPTION_STRING_AT(struct config_cache, servers, NULL,
                     .help = "libmemcached's configuration string, such as "
                             "--SERVER=127.0.0.1:11211; without it presence is kept in-process."),
    OPTION_DURATION_AT(struct config_cache, heartbeat, "5s", CLOCK_MS, HOUR,
                       .help = "How often this server confirms its entries."),
    OPTION_DURATION_AT(struct config_cache, lease, "30s", CLOCK_MS, 24 * HOUR,
                       .help = "Entries of a server that did not confirm for so long are void."),
    {0},
};

static const struct option limits_options[] = {
    OPTION_INT_AT(struct config_limits, fibers_max, "4096", 16, 30000,
                  .help = "Handlers at work at once per worker; more wait their turn."),
    OPTION_INT_AT(struct config_limits, entities_max, "100000", 16, 100000000, .reloadable = true,
                  .help = "Accounts in memory per worker; beyond, idle ones leave first."),
    OPTION_DURATION_AT(struct config_limits, entity_idle, "60s", CLOCK_MS, 24 * HOUR,
                       .reloadable = true,
                       .help = "An account without sessions and work leaves memory after this."),
    OPTION_INT_AT(struct config_limits, mailbox_max, "1000", 1, 1000000, .reloadable = true,
                  .help = "Stanzas from others that may wait for one account."),
    OPTION_INT_AT(struct config_limits, mailbox_per_source, "200", 1, 1000000, .reloadable = true,
                  .help = "Of these, how many from one sender."),
    OPTION_INT_AT(struct config_limits, stream_window, "64", 1, 100000, .reloadable = true,
                  .help = "Stanzas of one client under way at once; then its reading pauses."),
    OPTION_DURATION_AT(struct config_limits, stanza_deadline, "30s", CLOCK_MS, HOUR,
                       .reloadable = true, .help = "What takes longer is answered with an error."),
    OPTION_INT_AT(struct config_limits, aside_max, "8", 1, 1000, .reloadable = true,
                  .help = "Queries of one account that are worked on at once; half of them may be "
                          "what others ask about it."),
    OPTION_INT_AT(struct config_limits, sessions_per_account, "64", 1, 1000, .reloadable = true,
                  .help = "Resources one account may have bound at once."),
    OPTION_INT_AT(struct config_limits, connections_per_address, "100", 1, 1000000,
                  .reloadable = true,
                  .help = "Connections from one address, an IPv6 /64 counting as one."),
    OPTION_SIZE_AT(struct config_limits, preauth_stanza_size, "8KiB", 1024, MIB, .reloadable = true,
                   .help = "The largest element before a client has logged in."),
    OPTION_INT_AT(struct config_limits, preauth_elements, "32", 8, 1000, .reloadable = true,
                  .help = "The most elements in one, before a client has logged in."),
    OPTION_SIZE_AT(struct config_limits, stanza_size, "256KiB", 10000, STANZA_SIZE_MAX,
                   .help = "The largest stanza (RFC 6120 asks for 10000 bytes at least)."),
    OPTION_INT_AT(struct config_limits, stanza_elements, "4096", 16, 1000000, .reloadable = true,
                  .help = "The most elements in a stanza."),
    OPTION_INT_AT(struct config_limits, stanza_depth, "64", 8, 1000, .reloadable = true,
                  .help = "How deep elements may be nested."),
    OPTION_INT_AT(struct config_limits, stanza_attributes, "64", 8, 1000, .reloadable = true,
                  .help = "The most attributes of one element."),
    OPTION_SIZE_AT(struct config_limits, output_max, "2MiB", 64 * KIB, 1024 * MIB,
                   .help = "Bytes that may wait for a client that does not read; beyond, it is "
                           "disconnected. At least eight times stanza_size."),
    OPTION_DURATION_AT(struct config_limits, header_timeout, "15s", CLOCK_MS, HOUR,
                       .reloadable = true,
                       .help = "For a stream's header, at first and after each restart."),
    OPTION_DURATION_AT(struct config_limits, tls_timeout, "20s", CLOCK_MS, HOUR, .reloadable = true,
                       .help = "To ask for TLS; and again for the TLS handshake."),
    OPTION_DURATION_AT(struct config_limits, auth_timeout, "60s", CLOCK_MS, HOUR,
                       .reloadable = true,
                       .help = "From the offered mechanisms to a successful login."),
    OPTION_DURATION_AT(struct config_limits, proxy_timeout, "5s", CLOCK_MS, HOUR,
                       .reloadable = true,
                       .help = "How long a load balancer may take to send its PROXY header."),
    OPTION_DURATION_AT(struct config_limits, bind_timeout, "20s", CLOCK_MS, HOUR,
                       .reloadable = true, .help = "From the login to a bound resource."),
    OPTION_DURATION_AT(struct config_limits, close_timeout, "3s", CLOCK_MS, HOUR,
                       .reloadable = true,
                       .help = "When one side has closed its stream: for what is under way, and "
                               "for the other side to close too."),
    OPTION_DURATION_AT(struct config_limits, ping_after, "5m", 0, 24 * HOUR, .reloadable = true,
                       .help = "A client that was silent for so long is pinged; shorter keeps "
                               "phones awake. 0 is never. Clients are told (XEP-0478)."),
    OPTION_DURATION_AT(struct config_limits, ping_timeout, "30s", CLOCK_MS, HOUR,
                       .reloadable = true,
                       .help = "If nothing is heard for so long after that, it is disconnected."),
    OPTION_ENUM_AT(struct config_limits, resource_conflict, "replace", conflicts,
                   .reloadable = true,
                   .help = "When a client asks for a resource that is taken: it replaces the older "
                           "session, is refused, or is given another resource."),
    OPTION_DURATION_AT(struct config_limits, parser_idle, "2s", CLOCK_MS, HOUR, .reloadable = true,
                       .help = "A silent stream gives its parser back after this."),
    OPTION_DURATION_AT(struct config_limits, stop_timeout, "10s", CLOCK_SEC, 600 * CLOCK_SEC,
                       .reloadable = true,
                       .help = "When told to stop, how long to wait for what is under way"),
    OPTION_INT_AT(struct config_limits, login_failures, "5", 1, 100, .reloadable = true,
                  .help = "Failed logins on one connection, then it is closed."),
    {0},
};

const struct config_section config_sections[CONFIG_SECTIONS] = {
    [CONFIG_ROOT] = {NULL, NULL, "", NULL, root_options, 0},
    [CONFIG_LOG] = {"log", NULL, "What the server says of itself.", NULL, log_options,
                    offsetof(struct config, log)},
    [CONFIG_HOST] = {"host", "DOMAIN", "A domain that is served. Without any, \"localhost\" is.",
                     "localhost", host_options, 0},
    [CONFIG_LISTEN] = {"listen", "NAME",
                       "A port that is listened on; the title is just a name. Without any, clients "
                       "are served on every address at port 5222 with STARTTLS and at 5223 with "
                       "direct TLS.",
                       "c2s", listen_options, 0},
    [CONFIG_TLS] = {"tls", NULL, "How connections are encrypted. Certificates belong to hosts.",
                    NULL, tls_options, offsetof(struct config, tls)},
    [CONFIG_STORE] = {"store", NULL, "Where accounts, contacts and messages are stored.", NULL,
                      store_options, offsetof(struct config, store)},
    [CONFIG_CACHE] = {"cache", NULL,
                      "The presence directory: who is online, readable by other programs.", NULL,
                      cache_options, offsetof(struct config, cache)},
    [CONFIG_LIMITS] = {"limits", NULL, "Every queue and every wait has a limit.", NULL,
                       limits_options, offsetof(struct config, limits)},
};

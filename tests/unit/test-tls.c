/* TLS contexts: what is offered, refused and chosen, seen from OpenSSL's client; the self-signed
 * certificates. */
#include <check.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "net-help.h"
#include "net/tls_peer.h"

static struct crew *crew;
static struct worker *worker;
static int fd[2];
static struct side side;
static SSL_CTX *ctx;

static void connect_both(void)
{
    help_tcp_pair(fd);
    side = (struct side){0};
    help_side_start(&side, worker, fd[1]);
}

static void connect_again(void)
{
    help_side_end(&side);
    connect_both();
}

static void setup(void)
{
    crew = help_crew(1);
    worker = crew_worker(crew, 0);
    connect_both();
    ctx = help_client_ctx();
}

static void teardown(void)
{
    help_side_end(&side);
    SSL_CTX_free(ctx);
    crew_stop(&crew);
}

/* Begins TLS on the server's side. */
static void serve(const char *alpn)
{
    struct tls_context *tls = help_tls(alpn, "one.example", "two.example", "Three.Example", NULL);
    help_start_tls(&side, tls);
    tls_unref(&tls);
}

/* SNI */

static const struct {
    const char *sni, *expect;
    const char *host; /* that the stream was opened to */
} names[] = {
    {"one.example", "one.example", NULL},          {"two.example", "two.example", NULL},
    {"TWO.example", "two.example", NULL},          {"three.example", "Three.Example", NULL},
    {"other.example", "one.example", NULL},        {NULL, "one.example", NULL},
    {NULL, "two.example", "two.example"},          {NULL, "one.example", "other.example"},
    {"one.example", "one.example", "two.example"}, {"other.example", "two.example", "two.example"},
};

struct sni {
    char seen[100];
};

static void copy_sni(void *arg)
{
    struct sni *s = arg;
    snprintf(s->seen, sizeof(s->seen), "%s", conn_sni(side.c));
}

START_TEST(the_name_chooses_the_certificate)
{
    struct sni sni;
    side.host = names[_i].host;
    serve(NULL);
    SSL *ssl = help_client(ctx, fd[0], names[_i].sni);
    SSL_set1_host(ssl, names[_i].expect); /* fails the handshake if it is another's */
    ck_assert_int_eq(SSL_connect(ssl), 1);
    help_wait_event(&side, CONN_SECURED);
    help_run(worker, copy_sni, &sni);
    ck_assert_str_eq(sni.seen, names[_i].sni ? names[_i].sni : "");
    help_client_end(&ssl);
}
END_TEST

/* ALPN */

static const struct {
    const char *server, *offer, *chosen; /* chosen NULL: refused */
} protocols[] = {
    {"xmpp-client", "\x0bxmpp-client", "xmpp-client"},
    {"xmpp-client", "\x08http/1.1\x0bxmpp-client\x02h2", "xmpp-client"},
    {"xmpp-client", "\x08http/1.1", NULL},
    {"xmpp-client", "\x0bxmpp-server", NULL},
    {"xmpp-client", "\x0cxmpp-client2", NULL},
    {"xmpp-client", "", ""},
    {NULL, "\x08http/1.1", ""},
};

static void check_alpn(void *arg)
{
    ck_assert_str_eq(conn_alpn(side.c), arg);
}

START_TEST(a_protocol_is_chosen_or_refused)
{
    const char *offer = protocols[_i].offer, *chosen = protocols[_i].chosen;
    serve(protocols[_i].server);
    SSL *ssl = help_client(ctx, fd[0], "one.example");
    if (*offer)
        ck_assert_int_eq(
            SSL_set_alpn_protos(ssl, (const unsigned char *)offer, (unsigned)strlen(offer)), 0);
    if (!chosen) {
        ck_assert_int_ne(SSL_connect(ssl), 1);
        ck_assert_int_eq(ERR_GET_REASON(ERR_peek_error()),
                         SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
        help_wait_event(&side, CONN_BROKEN);
        ck_assert_uint_eq(help_events(&side, CONN_SECURED), 0);
    } else {
        const unsigned char *name;
        unsigned len;
        ck_assert_int_eq(SSL_connect(ssl), 1);
        SSL_get0_alpn_selected(ssl, &name, &len);
        ck_assert_uint_eq(len, strlen(chosen));
        ck_assert_int_eq(memcmp(name ? name : (const unsigned char *)"", chosen, len), 0);
        help_wait_event(&side, CONN_SECURED);
        help_run(worker, check_alpn, (void *)chosen);
    }
    help_client_end(&ssl);
}
END_TEST

/* Versions and ciphers */

START_TEST(old_versions_are_refused)
{
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    serve(NULL);
    SSL *ssl = help_client(ctx, fd[0], "one.example");
    ck_assert_int_ne(SSL_connect(ssl), 1);
    ck_assert_int_eq(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
    help_wait_event(&side, CONN_BROKEN);
    ck_assert_str_eq(side.why, "unsupported protocol");
    help_client_end(&ssl);
}
END_TEST

START_TEST(weak_ciphers_are_refused)
{
    static const char *const weak[] = {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA",
                                       "AECDH-AES256-SHA"};
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_security_level(ctx, 0);
    ck_assert_int_eq(SSL_CTX_set_cipher_list(ctx, weak[_i]), 1);
    serve(NULL);
    SSL *ssl = help_client(ctx, fd[0], "one.example");
    ck_assert_int_ne(SSL_connect(ssl), 1);
    help_wait_event(&side, CONN_BROKEN);
    ck_assert_str_eq(side.why, "no shared cipher");
    help_client_end(&ssl);
}
END_TEST

START_TEST(renegotiation_is_refused)
{
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    serve(NULL);
    SSL *ssl = help_client(ctx, fd[0], "one.example");
    char byte;
    ck_assert_int_eq(SSL_connect(ssl), 1);
    ck_assert_int_eq(SSL_renegotiate(ssl), 1);
    ck_assert_int_ne(SSL_do_handshake(ssl), 1);
    ck_assert_int_le(SSL_read(ssl, &byte, 1), 0);
    help_client_end(&ssl);
}
END_TEST

static SSL_SESSION *ticket;

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

static void write_byte(void *arg)
{
    (void)arg;
    conn_write(side.c, "x", 1);
}

/* On the second connection the client shows the ticket of the first; the server kept nothing. */
START_TEST(tickets_resume_a_session)
{
    struct tls_context *tls = help_tls(NULL, "one.example", NULL);
    SSL_CTX_set_max_proto_version(ctx, _i ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
    for (int round = 0; round < 2; round++) {
        char byte;
        help_start_tls(&side, tls);
        SSL *ssl = help_client(ctx, fd[0], "one.example");
        if (round == 1)
            ck_assert_int_eq(SSL_set_session(ssl, ticket), 1);
        ck_assert_int_eq(SSL_connect(ssl), 1);
        help_wait_event(&side, CONN_SECURED);
        help_run(worker, write_byte, NULL);
        help_ssl_read(ssl, &byte, 1); /* and the ticket before it */
        ck_assert_int_eq(SSL_session_reused(ssl), round);
        ck_assert_ptr_nonnull(ticket);
        SSL_shutdown(ssl); /* else the session counts as bad */
        help_client_end(&ssl);
        if (round == 1)
            break;
        connect_again();
    }
    SSL_SESSION_free(ticket);
    ticket = NULL;
    tls_unref(&tls);
}
END_TEST

/* Certificates of clients. A self-signed one is its own CA. */

static const struct {
    const char *shown; /* by the client; NULL: none */
    const char *sni;
    const char *host; /* for which the server asks who it is */
    const char *seen;
} clients[] = {
    {"alice.example", "one.example", "one.example", "alice.example"},
    {"alice.example", "ONE.example", "one.example", "alice.example"},
    {"alice.example", NULL, "one.example", "alice.example"}, /* the fallback's */
    {"alice.example", "one.example", "two.example", ""},     /* another CA vouches there */
    {"alice.example", "two.example", "two.example", ""},
    {"alice.example", "two.example", "one.example", ""},
    {"bob.example", "two.example", "two.example", "bob.example"},
    {"bob.example", "one.example", "one.example", ""},
    {"alice.example", "silent.example", "silent.example", ""}, /* where nobody asks */
    {NULL, "one.example", "one.example", ""},
};

struct seen {
    const char *host;
    char address[100];
};

static void note_address(void *arg, const char *address, size_t len)
{
    struct seen *seen = arg;
    snprintf(seen->address, sizeof(seen->address), "%.*s", (int)len, address);
}

static void look_at_peer(void *arg)
{
    struct seen *seen = arg;
    tls_peer_addresses(conn_tls(side.c), seen->host, note_address, seen);
}

static struct tls_context *help_tls_asking(void)
{
    struct tls_host hosts[] = {help_host("one.example"), help_host("two.example"),
                               help_host("silent.example")};
    struct err e;
    hosts[0].client_ca = help_host("alice.example").cert_file;
    hosts[1].client_ca = help_host("bob.example").cert_file;
    struct tls_context *tls = tls_server_new(hosts, ARRAY_LEN(hosts), &(struct tls_conf){0}, &e);
    ck_assert_msg(tls != NULL, "%s", e.text);
    return tls;
}

/* Connects and says who the server takes it for; with `ticket`, if there is one. Whether that has
 * resumed a session. */
static bool show_certificate(struct tls_context *tls, const char *shown, const char *sni,
                             struct seen *seen)
{
    help_start_tls(&side, tls);
    SSL *ssl = help_client(ctx, fd[0], sni);
    if (shown) {
        struct tls_host own = help_host(shown);
        ck_assert_int_eq(SSL_use_certificate_file(ssl, own.cert_file, SSL_FILETYPE_PEM), 1);
        ck_assert_int_eq(SSL_use_PrivateKey_file(ssl, own.key_file, SSL_FILETYPE_PEM), 1);
    }
    if (ticket)
        ck_assert_int_eq(SSL_set_session(ssl, ticket), 1);
    char byte;
    ck_assert_int_eq(SSL_connect(ssl), 1);
    help_wait_event(&side, CONN_SECURED);
    help_run(worker, look_at_peer, seen);
    help_run(worker, write_byte, NULL);
    help_ssl_read(ssl, &byte, 1); /* and tickets, if any */
    bool resumed = SSL_session_reused(ssl);
    SSL_shutdown(ssl);
    help_client_end(&ssl);
    return resumed;
}

START_TEST(a_client_is_who_its_certificate_says)
{
    size_t i = (size_t)_i / 2;
    struct seen seen = {clients[i].host, ""};
    struct tls_context *tls = help_tls_asking();
    SSL_CTX_set_max_proto_version(ctx, _i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION);
    show_certificate(tls, clients[i].shown, clients[i].sni, &seen);
    tls_unref(&tls);
    ck_assert_str_eq(seen.address, clients[i].seen);
}
END_TEST

/* No host that asks gives a ticket, and what another's ticket resumes brings no certificate. */
START_TEST(a_resumed_session_brings_no_certificate)
{
    struct tls_context *tls = help_tls_asking();
    SSL_CTX_set_max_proto_version(ctx, _i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
    for (int round = 0; round < 2; round++) {
        struct seen seen = {"one.example", ""};
        bool resumed = show_certificate(tls, "alice.example",
                                        round == 0 && _i >= 2 ? "silent.example" : NULL, &seen);
        if (round == 1) {
            ck_assert_str_eq(seen.address, resumed ? "" : "alice.example");
            break;
        }
        ck_assert_int_eq(ticket && SSL_SESSION_has_ticket(ticket), _i >= 2);
        if (ticket && !SSL_SESSION_has_ticket(ticket)) {
            SSL_SESSION_free(ticket);
            ticket = NULL;
        }
        connect_again();
    }
    SSL_SESSION_free(ticket);
    ticket = NULL;
    tls_unref(&tls);
}
END_TEST

/* A reload: the new context serves new connections, the old one lives while it is used. */
START_TEST(a_connection_keeps_its_context)
{
    serve(NULL); /* only the connection has it now */
    SSL *ssl = help_client(ctx, fd[0], "two.example");
    SSL_set1_host(ssl, "two.example");
    ck_assert_int_eq(SSL_connect(ssl), 1);
    help_client_end(&ssl);
}
END_TEST

/* Files */

static void expect_failure(const char *cert, const char *key, const char *named)
{
    struct tls_host host = {.name = "h", .cert_file = cert, .key_file = key};
    struct err e = {""};
    ck_assert_ptr_null(tls_server_new(&host, 1, &(struct tls_conf){0}, &e));
    ck_assert_msg(strstr(e.text, named) != NULL, "\"%s\" does not name %s", e.text, named);
}

static void write_text(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

START_TEST(bad_files_are_named)
{
    struct tls_context *tls = help_tls(NULL, "one.example", "two.example", NULL);
    const char *cert = help_file("one.example.crt"), *key = help_file("one.example.key");
    const char *junk = help_file("junk.pem");
    tls_unref(&tls);
    write_text(junk, "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n");
    expect_failure(help_file("none.crt"), key,
                   "none.crt: cannot use the certificate: No such file");
    expect_failure(cert, help_file("none.key"),
                   "none.key: cannot use the private key: No such file");
    expect_failure(junk, key, "junk.pem");
    expect_failure(cert, junk, "junk.pem");
    expect_failure(cert, help_file("two.example.key"), "two.example.key");
    struct tls_host host = {.name = "h", .cert_file = cert, .key_file = key, .client_ca = junk};
    struct err e = {""};
    ck_assert_ptr_null(tls_server_new(&host, 1, &(struct tls_conf){0}, &e));
    ck_assert_msg(strstr(e.text, "junk.pem") != NULL, "%s", e.text);
}
END_TEST

START_TEST(a_key_with_a_pass_phrase_is_refused)
{
    struct tls_context *tls = help_tls(NULL, "one.example", NULL);
    const char *locked = help_file("locked.key");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = fopen(locked, "w");
    tls_unref(&tls);
    ck_assert_int_eq(PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), NULL, 0, NULL, (void *)"pw"),
                     1);
    fclose(f);
    EVP_PKEY_free(key);
    expect_failure(help_file("one.example.crt"), locked, "locked.key");
}
END_TEST

static X509 *read_cert(const char *file)
{
    FILE *f = fopen(file, "r");
    ck_assert_ptr_nonnull(f);
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    ck_assert_ptr_nonnull(cert);
    return cert;
}

static void check_names(X509 *cert, const char *host)
{
    GENERAL_NAMES *list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    ck_assert_int_eq(sk_GENERAL_NAME_num(list), 2);
    const GENERAL_NAME *dns = sk_GENERAL_NAME_value(list, 0);
    const GENERAL_NAME *xmpp = sk_GENERAL_NAME_value(list, 1);
    ck_assert_int_eq(dns->type, GEN_DNS);
    ck_assert_str_eq((const char *)ASN1_STRING_get0_data(dns->d.dNSName), host);
    ck_assert_int_eq(xmpp->type, GEN_OTHERNAME);
    ck_assert_int_eq(OBJ_obj2nid(xmpp->d.otherName->type_id), NID_XmppAddr);
    ck_assert_int_eq(xmpp->d.otherName->value->type, V_ASN1_UTF8STRING);
    ck_assert_str_eq(
        (const char *)ASN1_STRING_get0_data(xmpp->d.otherName->value->value.utf8string), host);
    GENERAL_NAMES_free(list);
}

START_TEST(self_signed_certificates_are_complete)
{
    /* Longer than a common name may be. */
    const char *host = "a-rather-long-host-name-that-does-not-fit.into-a-common-name.example.org";
    const char *cert_file = help_file("self.crt"), *key_file = help_file("self.key");
    struct err e;
    struct stat st;
    int days, seconds;
    ck_assert_msg(tls_self_signed(host, host, cert_file, key_file, &e) == 0, "%s", e.text);
    ck_assert_int_eq(stat(key_file, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    X509 *cert = read_cert(cert_file);
    check_names(cert, host);
    ck_assert_int_eq(X509_check_host(cert, host, 0, 0, NULL), 1);
    ck_assert_int_eq(EVP_PKEY_is_a(X509_get0_pubkey(cert), "EC"), 1);
    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(cert), X509_get0_notAfter(cert));
    ck_assert_int_eq(days, 825);
    ck_assert_int_eq(X509_verify(cert, X509_get0_pubkey(cert)), 1);

    /* A second call changes nothing. */
    ck_assert_int_eq(tls_self_signed("other", "other", cert_file, key_file, &e), 0);
    X509 *again = read_cert(cert_file);
    ck_assert_int_eq(X509_cmp(cert, again), 0);
    X509_free(again);

    /* Without the certificate the key is used again. */
    unlink(cert_file);
    ck_assert_int_eq(tls_self_signed(host, host, cert_file, key_file, &e), 0);
    again = read_cert(cert_file);
    ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(cert), X509_get0_pubkey(again)), 1);
    ck_assert_int_ne(X509_cmp(cert, again), 0);
    X509_free(again);
    X509_free(cert);
}
END_TEST

START_TEST(self_signing_says_what_failed)
{
    struct err e = {""};
    const char *nowhere = help_file("nowhere/x.key");
    ck_assert_int_eq(tls_self_signed("h", "h", help_file("x.crt"), nowhere, &e), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "nowhere/x.key: cannot write: No such file"));
    ck_assert_int_eq(access(help_file("x.crt"), F_OK), -1);
    write_text(help_file("bad.key"), "no key");
    ck_assert_int_eq(tls_self_signed("h", "h", help_file("x.crt"), help_file("bad.key"), &e), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "bad.key: cannot read the key"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls");
    TCase *t = tcase_create("handshakes"), *files = tcase_create("files");
    signal(SIGPIPE, SIG_IGN); /* the client's */
    help_files_start();
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, the_name_chooses_the_certificate, 0, ARRAY_LEN(names));
    tcase_add_loop_test(t, a_protocol_is_chosen_or_refused, 0, ARRAY_LEN(protocols));
    tcase_add_test(t, old_versions_are_refused);
    tcase_add_loop_test(t, weak_ciphers_are_refused, 0, 3);
    tcase_add_test(t, renegotiation_is_refused);
    tcase_add_loop_test(t, tickets_resume_a_session, 0, 2);
    tcase_add_loop_test(t, a_client_is_who_its_certificate_says, 0, 2 * (int)ARRAY_LEN(clients));
    tcase_add_loop_test(t, a_resumed_session_brings_no_certificate, 0, 4);
    tcase_add_test(t, a_connection_keeps_its_context);
    suite_add_tcase(suite, t);
    tcase_set_timeout(files, 60);
    tcase_add_test(files, bad_files_are_named);
    tcase_add_test(files, a_key_with_a_pass_phrase_is_refused);
    tcase_add_test(files, self_signed_certificates_are_complete);
    tcase_add_test(files, self_signing_says_what_failed);
    suite_add_tcase(suite, files);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    help_files_end();
    return failed == 0 ? 0 : 1;
}

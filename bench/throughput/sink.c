/*
 * Load sink: takes mail as fast as it comes, on one port, from any number of sessions, and throws it away.
 * Of every message it notes "number arrived body_bytes signed" (arrived: final dot seen, before the reply;
 * CLOCK_MONOTONIC, nanoseconds; number: the X-Bench-Number field; signed: 1 with a DKIM-Signature field).
 * The first message is kept, as it came over the wire, in a file of its own.
 *
 * A line with a number on standard input asks for the line "reached" on standard output as soon as so many
 * different messages have arrived. End of standard input: the notes are written, and the sink leaves.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_SIZE = 1 << 17, OUT_SIZE = 4096, MAX_EVENTS = 256, MAX_NUMBER = 1 << 24 };

static const char NUMBER_FIELD[] = "\r\nX-Bench-Number: ";
static const char CAPABILITIES[] = "250-sink.example\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n"
                                   "250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n";

struct record { uint64_t arrived; uint64_t body; uint32_t number; bool is_signed; };

enum state { COMMAND, HEADER, BODY };

struct session {
    int fd;
    enum state state;
    struct record message;
    FILE *kept;
    size_t in_length;
    size_t out_length;
    char out[OUT_SIZE];
    char in[IN_SIZE];
};

static const char *kept_path;
static struct record *records;
static size_t record_count, record_capacity;
static uint8_t seen[MAX_NUMBER / 8];
static size_t distinct, wanted;

static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("sink: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void report_reached(void)
{
    if (wanted && distinct >= wanted) {
        wanted = 0;
        puts("reached");
        fflush(stdout);
    }
}

static void note(struct record record)
{
    if (record_count == record_capacity) {
        record_capacity = record_capacity ? 2 * record_capacity : 65536;
        records = realloc(records, record_capacity * sizeof *records);
        if (!records)
            die("out of memory");
    }
    records[record_count++] = record;
    uint8_t bit = (uint8_t)(1u << (record.number % 8));
    if (record.number >= MAX_NUMBER)
        die("message number too large");
    distinct += !(seen[record.number / 8] & bit);
    seen[record.number / 8] |= bit;
    report_reached();
}

/* ---- one session ---- */

static void flush(struct session *s)
{
    /* Replies are a few bytes for each message; a peer that does not read them is broken. */
    if (s->out_length && send(s->fd, s->out, s->out_length, MSG_NOSIGNAL) != (ssize_t)s->out_length)
        fprintf(stderr, "sink: peer does not take its replies\n");
    s->out_length = 0;
}

static void reply(struct session *s, const char *text)
{
    size_t length = strlen(text);
    if (s->out_length + length > OUT_SIZE)
        flush(s);
    memcpy(s->out + s->out_length, text, length);
    s->out_length += length;
}

static void take(struct session *s, size_t length)
{
    if (s->kept)
        fwrite(s->in, 1, length, s->kept);
    s->in_length -= length;
    memmove(s->in, s->in + length, s->in_length);
}

/* Each of the next three eats from s->in and returns false when it needs more bytes. */

static bool on_command(struct session *s)
{
    char *end = memmem(s->in, s->in_length, "\r\n", 2);
    if (!end)
        return false;
    if (!strncasecmp(s->in, "EHLO", 4))
        reply(s, CAPABILITIES);
    else if (!strncasecmp(s->in, "MAIL", 4))
        reply(s, "250 2.1.0 Ok\r\n");
    else if (!strncasecmp(s->in, "RCPT", 4))
        reply(s, "250 2.1.5 Ok\r\n");
    else if (!strncasecmp(s->in, "DATA", 4)) {
        reply(s, "354 Go ahead\r\n");
        s->message = (struct record){0};
        s->state = HEADER;
    } else if (!strncasecmp(s->in, "QUIT", 4))
        reply(s, "221 2.0.0 Bye\r\n");
    else if (!strncasecmp(s->in, "RSET", 4) || !strncasecmp(s->in, "NOOP", 4) || !strncasecmp(s->in, "HELO", 4))
        reply(s, "250 2.0.0 Ok\r\n");
    else
        reply(s, "502 5.5.1 Not here\r\n");
    take(s, (size_t)(end + 2 - s->in));
    if (s->state == HEADER && kept_path) {
        s->kept = fopen(kept_path, "wb");
        kept_path = NULL;
    }
    return true;
}

static bool on_header(struct session *s)
{
    char *end = memmem(s->in, s->in_length, "\r\n\r\n", 4);
    if (!end) {
        if (s->in_length == IN_SIZE)
            die("header without end");
        return false;
    }
    size_t length = (size_t)(end + 2 - s->in);
    char *number = memmem(s->in, length, NUMBER_FIELD, sizeof NUMBER_FIELD - 1);
    if (!number)
        die("a message without number");
    s->message.number = (uint32_t)strtoul(number + sizeof NUMBER_FIELD - 1, NULL, 10);
    s->message.is_signed = !strncasecmp(s->in, "DKIM-Signature:", 15) ||
                           memmem(s->in, length, "\r\nDKIM-Signature:", 17);
    take(s, length);
    s->state = BODY;
    return true;
}

/* The buffer begins with the two bytes that end the header, so that a dot in the body's first line is found too. */
static bool on_body(struct session *s)
{
    char *from = s->in, *stop = s->in + s->in_length, *dot;
    while ((dot = memchr(from, '.', (size_t)(stop - from)))) {
        if (dot - s->in >= 2 && stop - dot >= 3 && !memcmp(dot - 2, "\r\n.\r\n", 5)) {
            s->message.arrived = now();
            size_t length = (size_t)(dot - s->in);
            s->message.body += length - 2;
            take(s, length);
            if (s->kept) {
                fclose(s->kept);
                s->kept = NULL;
            }
            take(s, 3);
            note(s->message);
            reply(s, "250 2.0.0 Ok\r\n");
            s->state = COMMAND;
            return true;
        }
        from = dot + 1;
    }
    if (s->in_length > 4) {
        s->message.body += s->in_length - 4;
        take(s, s->in_length - 4);
    }
    return false;
}

/* Returns false once the peer is gone. */
static bool on_readable(struct session *s)
{
    ssize_t got = recv(s->fd, s->in + s->in_length, IN_SIZE - s->in_length, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0)
        return false;
    s->in_length += (size_t)got;
    while (s->in_length && (s->state == COMMAND ? on_command(s) : s->state == HEADER ? on_header(s) : on_body(s)))
        continue;
    flush(s);
    return true;
}

/* ---- the loop ---- */

static void watch(int poll, int fd, void *owner)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = owner};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event))
        die("epoll: %s", strerror(errno));
}

static void accept_session(int poll, int listener)
{
    struct session *s = malloc(sizeof *s);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), one = 1;
    if (!s || fd < 0)
        die("accept: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    memset(s, 0, offsetof(struct session, out));
    s->fd = fd;
    reply(s, "220 sink.example ESMTP\r\n");
    flush(s);
    watch(poll, fd, s);
}

static int listen_on_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024) ||
        getsockname(listener, (struct sockaddr *)&address, &length))
        die("listen: %s", strerror(errno));
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

/* Returns false at the end of standard input. */
static bool on_order(void)
{
    char line[64];
    if (!fgets(line, sizeof line, stdin))
        return false;
    wanted = strtoul(line, NULL, 10);
    report_reached();
    return true;
}

static int write_notes(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        die("%s: %s", path, strerror(errno));
    for (size_t i = 0; i < record_count; i++)
        fprintf(file, "%u %lu %lu %d\n", records[i].number, records[i].arrived, records[i].body, records[i].is_signed);
    return fclose(file) != 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: sink NOTES KEPT-MESSAGE");
    kept_path = argv[2];
    int poll = epoll_create1(EPOLL_CLOEXEC), listener = listen_on_free_port();
    char standard_input, listening;
    watch(poll, STDIN_FILENO, &standard_input);
    watch(poll, listener, &listening);
    for (;;) {
        struct epoll_event events[MAX_EVENTS];
        int count = epoll_wait(poll, events, MAX_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            void *owner = events[i].data.ptr;
            if (owner == &standard_input) {
                if (!on_order())
                    return write_notes(argv[1]);
            } else if (owner == &listening)
                accept_session(poll, listener);
            else if (!on_readable(owner)) {
                close(((struct session *)owner)->fd);
                free(owner);
            }
        }
    }
}

/*
 * Load source: keeps S SMTP sessions to one port busy, each with one message after the other over one connection.
 * Every message carries its number in the header; its start (MAIL FROM handed to the kernel) and the moment of the
 * 250 after its final dot are written to a file as "number start accepted" (CLOCK_MONOTONIC, nanoseconds).
 * With -r, messages fall due at a steady rate, whatever session is free takes the next one, and its start is the moment
 * it fell due: a program that keeps the sessions waiting shows it in its latency.
 * Any reply but the expected one ends the run: a program must not gain by refusing.
 *
 * In the header file and in the two paths, $N stands for the message's number and $C for its company (two digits).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { IN_SIZE = 8192, OUT_SIZE = 16384, MAX_EVENTS = 256 };

enum step { GREETING, EHLO, MAIL, RCPT, DATA, DOT, QUIT };

static const char *const step_name[] = {"greeting", "EHLO", "MAIL", "RCPT", "DATA", "final dot", "QUIT"};
static const int expected[] = {220, 250, 250, 250, 354, 250, 221};

struct text { char *bytes; size_t length; };

struct session {
    int fd;
    enum step step;
    bool pipelining;
    uint32_t number;
    char in[IN_SIZE];
    size_t in_length;
    char out[OUT_SIZE];
    size_t out_length, out_sent;
    size_t body_length, body_sent;
    struct session *next_idle;
};

struct times { uint64_t start, accepted; };

static struct {
    const char *reverse_path, *recipient, *records;
    int port, sessions, companies;
    bool pipelining;
    uint32_t first, limit;
    double seconds, rate;
    struct text header, body;
} option = {.sessions = 1, .companies = 1, .pipelining = true, .limit = UINT32_MAX, .seconds = 5};

static struct times *times;
static size_t times_capacity;
static uint32_t next_number;
static uint64_t started, deadline;
static struct session *idle;

static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("source: ", stderr);
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

static struct text read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        die("%s: %s", path, strerror(errno));
    struct text text = {.length = (size_t)ftell(file)};
    rewind(file);
    text.bytes = malloc(text.length + 1);
    if (!text.bytes || fread(text.bytes, 1, text.length, file) != text.length)
        die("%s: cannot be read", path);
    text.bytes[text.length] = 0;
    fclose(file);
    return text;
}

/* ---- what a session says ---- */

static void put(struct session *s, const char *bytes, size_t length)
{
    if (s->out_length + length > OUT_SIZE)
        die("header too large");
    memcpy(s->out + s->out_length, bytes, length);
    s->out_length += length;
}

static void put_expanded(struct session *s, const char *pattern)
{
    while (*pattern) {
        size_t plain = strcspn(pattern, "$");
        put(s, pattern, plain);
        pattern += plain;
        if (!*pattern)
            break;
        char number[16];
        if (pattern[1] == 'N')
            snprintf(number, sizeof number, "%08u", s->number);
        else if (pattern[1] == 'C')
            snprintf(number, sizeof number, "%02u", s->number % (uint32_t)option.companies);
        else
            die("unknown placeholder $%c", pattern[1]);
        put(s, number, strlen(number));
        pattern += 2;
    }
}

static void put_path(struct session *s, const char *verb, const char *path)
{
    put(s, verb, strlen(verb));
    put_expanded(s, path);
    put(s, ">\r\n", 3);
}

static void put_mail(struct session *s) { put_path(s, "MAIL FROM:<", option.reverse_path); }
static void put_rcpt(struct session *s) { put_path(s, "RCPT TO:<", option.recipient); }
static void put_data(struct session *s) { put(s, "DATA\r\n", 6); }

static void send_pending(struct session *s)
{
    while (s->out_sent < s->out_length || s->body_sent < s->body_length) {
        struct iovec parts[2] = {
            {s->out + s->out_sent, s->out_length - s->out_sent},
            {option.body.bytes + s->body_sent, s->body_length - s->body_sent},
        };
        ssize_t sent = writev(s->fd, parts, 2);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0)
            die("write at %s: %s", step_name[s->step], strerror(errno));
        size_t of_out = (size_t)sent < parts[0].iov_len ? (size_t)sent : parts[0].iov_len;
        s->out_sent += of_out;
        s->body_sent += (size_t)sent - of_out;
    }
    s->out_length = s->out_sent = s->body_length = s->body_sent = 0;
}

static uint64_t due(void)
{
    return option.rate > 0 ? started + (uint64_t)((next_number - option.first) * 1e9 / option.rate) : now();
}

/* Starts the next message, or waits among the idle sessions until it is due, or quits. */
static void start_message(struct session *s)
{
    uint64_t at = due();
    if (at >= deadline || next_number - option.first >= option.limit) {
        put(s, "QUIT\r\n", 6);
        s->step = QUIT;
        return;
    }
    if (at > now()) {
        s->next_idle = idle;
        idle = s;
        return;
    }
    s->number = next_number++;
    size_t index = s->number - option.first;
    if (index >= times_capacity) {
        times_capacity = times_capacity ? 2 * times_capacity : 65536;
        times = realloc(times, times_capacity * sizeof *times);
        if (!times)
            die("out of memory");
    }
    times[index] = (struct times){.start = at};
    put_mail(s);
    if (s->pipelining) {
        put_rcpt(s);
        put_data(s);
    }
    s->step = MAIL;
}

static void start_due_messages(void)
{
    while (idle && due() <= now()) {
        struct session *s = idle;
        idle = s->next_idle;
        start_message(s);
        send_pending(s);
    }
}

/* ---- what it hears ---- */

static bool on_reply(struct session *s, const char *line)
{
    if (atoi(line) != expected[s->step])
        die("at %s of message %u: %s", step_name[s->step], s->number, line);
    switch (s->step) {
    case GREETING:
        put(s, "EHLO app.example\r\n", 18);
        s->step = EHLO;
        break;
    case EHLO:
        start_message(s);
        break;
    case MAIL:
        if (!s->pipelining)
            put_rcpt(s);
        s->step = RCPT;
        break;
    case RCPT:
        if (!s->pipelining)
            put_data(s);
        s->step = DATA;
        break;
    case DATA:
        put_expanded(s, option.header.bytes);
        s->body_length = option.body.length;
        s->step = DOT;
        break;
    case DOT:
        times[s->number - option.first].accepted = now();
        start_message(s);
        break;
    case QUIT:
        close(s->fd);
        return false;
    }
    return true;
}

static bool on_line(struct session *s, const char *line)
{
    if (strlen(line) < 3)
        die("odd reply: %s", line);
    if (s->step == EHLO && option.pipelining && strstr(line, "PIPELINING"))
        s->pipelining = true;
    return line[3] == '-' || on_reply(s, line);
}

/* Returns false once the session is over. */
static bool on_readable(struct session *s)
{
    for (;;) {
        ssize_t got = recv(s->fd, s->in + s->in_length, IN_SIZE - 1 - s->in_length, 0);
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0)
            die("connection lost at %s of message %u", step_name[s->step], s->number);
        s->in_length += (size_t)got;
        s->in[s->in_length] = 0;
        char *line = s->in, *end;
        while ((end = strstr(line, "\r\n"))) {
            *end = 0;
            if (!on_line(s, line))
                return false;
            line = end + 2;
        }
        s->in_length -= (size_t)(line - s->in);
        memmove(s->in, line, s->in_length);
        if (s->in_length == IN_SIZE - 1)
            die("reply too long");
        send_pending(s);
    }
}

static void open_session(struct session *s, int poll)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)option.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&address, sizeof address))
        die("connect to port %d: %s", option.port, strerror(errno));
    int one = 1;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = s};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, s->fd, &event))
        die("epoll: %s", strerror(errno));
}

static void parse_options(int argc, char **argv)
{
    const char *header = NULL, *body = NULL;
    for (int letter; (letter = getopt(argc, argv, "p:s:c:f:n:t:r:F:R:H:B:o:l")) != -1;)
        switch (letter) {
        case 'p': option.port = atoi(optarg); break;
        case 's': option.sessions = atoi(optarg); break;
        case 'c': option.companies = atoi(optarg); break;
        case 'f': option.first = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'n': option.limit = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 't': option.seconds = atof(optarg); break;
        case 'r': option.rate = atof(optarg); break;
        case 'F': option.reverse_path = optarg; break;
        case 'R': option.recipient = optarg; break;
        case 'H': header = optarg; break;
        case 'B': body = optarg; break;
        case 'o': option.records = optarg; break;
        case 'l': option.pipelining = false; break;
        default: die("see bench/README.md");
        }
    if (!header || !body || !option.records || !option.reverse_path || !option.recipient || !option.port)
        die("-p -F -R -H -B and -o are needed");
    option.header = read_file(header);
    option.body = read_file(body);
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    struct session *sessions = calloc((size_t)option.sessions, sizeof *sessions);
    int poll = epoll_create1(EPOLL_CLOEXEC), open = option.sessions;
    if (!sessions || poll < 0)
        die("no memory or no epoll");
    next_number = option.first;
    started = now();
    deadline = started + (uint64_t)(option.seconds * 1e9);
    for (int i = 0; i < option.sessions; i++)
        open_session(&sessions[i], poll);
    while (open > 0) {
        struct epoll_event events[MAX_EVENTS];
        start_due_messages();
        int count = epoll_wait(poll, events, MAX_EVENTS, idle ? 1 : 120000);
        if (count == 0 && !idle)
            die("no answer for two minutes");
        for (int i = 0; i < count; i++) {
            send_pending(events[i].data.ptr);
            open -= !on_readable(events[i].data.ptr);
        }
    }
    FILE *records = fopen(option.records, "w");
    if (!records)
        die("%s: %s", option.records, strerror(errno));
    for (uint32_t n = 0; n < next_number - option.first; n++)
        fprintf(records, "%u %lu %lu\n", option.first + n, times[n].start, times[n].accepted);
    return fclose(records) != 0;
}

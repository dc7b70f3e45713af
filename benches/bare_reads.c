/* The least that reading runs can cost: the system calls that list each run's two directories and open, read and close
 * each of its files, by as many threads as named, and nothing else. Prints seconds. Usage: bare_reads RUNS_DIR THREADS */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_RUNS = 1000000, MAX_THREADS = 64, DIRECTORY = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

static const char *const DOCUMENTS[] = {"flags.json", "metrics.json", "evaluation.json"};
static char *names[MAX_RUNS];
static int runs_dir, count;
static atomic_int next;

static void read_file(int directory, const char *name) {
    static _Thread_local char buffer[1 << 16];
    int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0 || read(file, buffer, sizeof buffer) < 0) {
        perror(name);
        exit(1);
    }
    close(file);
}

/* Lists a directory and reads the files in it; without `files` it is only listed. */
static void list(int directory, int files) {
    char buffer[8192];
    ssize_t length;
    while ((length = getdents64(directory, buffer, sizeof buffer)) > 0)
        for (ssize_t at = 0; at < length;) {
            struct dirent64 *entry = (void *)(buffer + at);
            if (files && entry->d_name[0] != '.') read_file(directory, entry->d_name);
            at += entry->d_reclen;
        }
}

static void *work(void *unused) {
    char path[512];
    for (int run; (run = atomic_fetch_add(&next, 1)) < count;) {
        snprintf(path, sizeof path, "%s/tfruns.d", names[run]);
        int meta = openat(runs_dir, path, DIRECTORY);
        list(meta, 0);
        int properties = openat(meta, "properties", DIRECTORY);
        list(properties, 1);
        close(properties);
        for (int i = 0; i < 3; i++) read_file(meta, DOCUMENTS[i]);
        close(meta);
    }
    return unused;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    double start = now();
    runs_dir = open(argv[1], DIRECTORY);
    DIR *listed = fdopendir(dup(runs_dir));
    if (!listed) return perror(argv[1]), 1;
    for (struct dirent *entry; count < MAX_RUNS && (entry = readdir(listed));)
        if (entry->d_name[0] != '.') names[count++] = strdup(entry->d_name);
    pthread_t threads[MAX_THREADS];
    int started = atoi(argv[2]);
    if (started < 1 || started > MAX_THREADS) return 2;
    for (int i = 0; i < started; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    printf("%.4f\n", now() - start);
    return 0;
}

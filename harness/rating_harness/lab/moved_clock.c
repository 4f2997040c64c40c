/* A clock that can be moved, for all that runs in a lab: preloaded (LD_PRELOAD, ld.so(8)) into each of its programs.

   One page, mapped by all of them (RATING_CLOCK names its file), says how far the lab's clock is ahead of the machine's.
   Whatever tells the time adds that. Whatever waits until a time does so in slices, and looks at the page after each, so
   that it ends when the lab's clock says so. An interval timer (Kamailio's, setitimer(2) and pause(2)) gets all the
   ticks of the time that was skipped, one by one, and while it is behind it lives at the tick it is at.

   Not moved: timers of the kernel (TCP, timerfd, SO_RCVTIMEO, alarm(2)), CPU clocks, waits without an end.

   Compiled in the lab itself by tcc, so no thread-local storage and no atomic built-ins: the page's fields are 64 bits
   wide, aligned, and each has one writer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define MILLISECOND 1000000LL
#define KERNEL_SIGSET 8 /* octets of the kernel's signal set */

/* rating_harness.lab.clock has the same layout. */
struct page {
	volatile int64_t ahead;    /* nanoseconds that the lab's clock is ahead; written by the harness */
	volatile int64_t slice;    /* nanoseconds of the longest real wait at once; written by the harness */
	volatile int64_t followed; /* the `ahead` that the interval timer has caught up with; written by its process */
	volatile int64_t ticks;    /* how many ticks it got; written by its process */
};

static struct page unmoved = {0, 20 * MILLISECOND, 0, 0};
static struct page *page;
static int is_writable;

__attribute__((constructor)) static void map_page(void) {
	if (page) return;
	const char *file = getenv("RATING_CLOCK");
	void *mapped = MAP_FAILED;
	int descriptor = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
	if (descriptor >= 0) {
		mapped = mmap(0, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
		close(descriptor);
	}
	is_writable = mapped != MAP_FAILED;
	page = is_writable ? mapped : &unmoved;
}

static struct page *moved(void) {
	if (!page) map_page();
	return page;
}

static int64_t in_ns(const struct timespec *t) { return t->tv_sec * SECOND + t->tv_nsec; }

static struct timespec in_timespec(int64_t ns) {
	struct timespec t = {ns / SECOND, ns % SECOND};
	return t;
}

static int64_t machine_time(clockid_t clock) {
	struct timespec t = {0, 0};
	syscall(SYS_clock_gettime, clock, &t);
	return in_ns(&t);
}

static int64_t lab_time(clockid_t clock) { return machine_time(clock) + moved()->ahead; }

static int is_moved(clockid_t clock) {
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME_COARSE ||
	       clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_BOOTTIME;
}

/* --- the interval timer --- */

static int64_t interval, next_tick; /* on the lab's CLOCK_MONOTONIC */
static pid_t ticking;

/* What a program is shown: its own time is that of the lab, unless ticks are still due to it. */
static int64_t shown_time(clockid_t clock) {
	int64_t now = lab_time(clock);
	if (interval && ticking == getpid()) {
		int64_t late = lab_time(CLOCK_MONOTONIC) - next_tick;
		if (late > 0) now -= late;
	}
	return now;
}

int setitimer(__itimer_which_t which, const struct itimerval *restrict new, struct itimerval *restrict old) {
	int64_t every, first;
	if (which != ITIMER_REAL || !new) return syscall(SYS_setitimer, which, new, old);
	every = (new->it_interval.tv_sec * 1000000LL + new->it_interval.tv_usec) * 1000;
	first = (new->it_value.tv_sec * 1000000LL + new->it_value.tv_usec) * 1000;
	interval = 0;
	if (!every || !first) return syscall(SYS_setitimer, which, new, old);
	next_tick = lab_time(CLOCK_MONOTONIC) + first;
	ticking = getpid();
	interval = every;
	if (old) memset(old, 0, sizeof *old);
	return 0;
}

static int64_t slice_of(int64_t ns) {
	int64_t slice = moved()->slice;
	return ns < slice ? ns : slice;
}

int pause(void) {
	if (!interval || ticking != getpid()) return syscall(SYS_ppoll, 0, 0, 0, 0, KERNEL_SIGSET);
	for (;;) {
		int64_t ahead = moved()->ahead;
		int64_t now = machine_time(CLOCK_MONOTONIC) + ahead;
		struct timespec wait;
		if (now >= next_tick) {
			next_tick += interval;
			if (is_writable) page->ticks++;
			raise(SIGALRM);
			errno = EINTR;
			return -1;
		}
		if (is_writable) page->followed = ahead;
		wait = in_timespec(slice_of(next_tick - now));
		if (syscall(SYS_nanosleep, &wait, 0) && errno == EINTR) return -1;
	}
}

/* --- what tells the time --- */

int clock_gettime(clockid_t clock, struct timespec *t) {
	if (!is_moved(clock)) return syscall(SYS_clock_gettime, clock, t);
	*t = in_timespec(shown_time(clock));
	return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
	int64_t now = shown_time(CLOCK_REALTIME);
	if (t) {
		t->tv_sec = now / SECOND;
		t->tv_usec = now % SECOND / 1000;
	}
	if (zone) memset(zone, 0, sizeof(struct timezone));
	return 0;
}

time_t time(time_t *t) {
	time_t now = shown_time(CLOCK_REALTIME) / SECOND;
	if (t) *t = now;
	return now;
}

clock_t times(struct tms *used) {
	clock_t now = syscall(SYS_times, used);
	return now == (clock_t)-1 ? now : now + moved()->ahead / (SECOND / sysconf(_SC_CLK_TCK));
}

/* --- what sleeps --- */

static int sleep_until(int64_t due, int64_t *left) {
	for (;;) {
		int64_t remaining = due - lab_time(CLOCK_MONOTONIC);
		struct timespec wait;
		if (remaining <= 0) return 0;
		wait = in_timespec(slice_of(remaining));
		if (syscall(SYS_nanosleep, &wait, 0)) {
			remaining = due - lab_time(CLOCK_MONOTONIC);
			*left = remaining > 0 ? remaining : 0;
			return -1;
		}
	}
}

int nanosleep(const struct timespec *wanted, struct timespec *remaining) {
	int64_t left = 0;
	int result = sleep_until(lab_time(CLOCK_MONOTONIC) + in_ns(wanted), &left);
	if (result && remaining) *remaining = in_timespec(left);
	return result;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *remaining) {
	int64_t left = 0, ns = in_ns(wanted);
	if (!is_moved(clock)) return syscall(SYS_clock_nanosleep, clock, flags, wanted, remaining) ? errno : 0;
	if (flags & TIMER_ABSTIME) ns -= lab_time(clock);
	if (!sleep_until(lab_time(CLOCK_MONOTONIC) + ns, &left)) return 0;
	if (remaining && !(flags & TIMER_ABSTIME)) *remaining = in_timespec(left);
	return errno;
}

int usleep(useconds_t microseconds) {
	struct timespec wanted = in_timespec(microseconds * 1000LL);
	return nanosleep(&wanted, 0);
}

unsigned sleep(unsigned seconds) {
	struct timespec wanted = {seconds, 0}, left = {0, 0};
	return nanosleep(&wanted, &left) ? left.tv_sec + (left.tv_nsec > 0) : 0;
}

/* --- what waits for descriptors: `call` with a wait of `wait`, until it has something or the time is over --- */

#define IN_SLICES(ns, call)                                                    \
	do {                                                                   \
		int64_t due_ = lab_time(CLOCK_MONOTONIC) + (ns);               \
		for (;;) {                                                     \
			int64_t left_ = due_ - lab_time(CLOCK_MONOTONIC);      \
			struct timespec wait;                                  \
			int result_;                                           \
			wait = in_timespec(left_ > 0 ? slice_of(left_) : 0);   \
			result_ = (call);                                      \
			if (result_ || left_ <= 0) return result_;             \
		}                                                              \
	} while (0)

int ppoll(struct pollfd *files, nfds_t number, const struct timespec *timeout, const sigset_t *mask) {
	if (!timeout) return syscall(SYS_ppoll, files, number, 0, mask, KERNEL_SIGSET);
	IN_SLICES(in_ns(timeout), syscall(SYS_ppoll, files, number, &wait, mask, KERNEL_SIGSET));
}

int poll(struct pollfd *files, nfds_t number, int timeout) {
	struct timespec limit = in_timespec(timeout * MILLISECOND);
	return ppoll(files, number, timeout < 0 ? 0 : &limit, 0);
}

int __poll_chk(struct pollfd *files, nfds_t number, int timeout, size_t size) {
	if (size / sizeof *files < number) abort();
	return poll(files, number, timeout);
}

int __ppoll_chk(struct pollfd *files, nfds_t number, const struct timespec *t, const sigset_t *mask, size_t size) {
	if (size / sizeof *files < number) abort();
	return ppoll(files, number, t, mask);
}

static int in_ms(const struct timespec *t) { return (in_ns(t) + MILLISECOND - 1) / MILLISECOND; }

int epoll_pwait(int epoll, struct epoll_event *events, int number, int timeout, const sigset_t *mask) {
	if (timeout <= 0) return syscall(SYS_epoll_pwait, epoll, events, number, timeout, mask, KERNEL_SIGSET);
	IN_SLICES(timeout * MILLISECOND,
		  syscall(SYS_epoll_pwait, epoll, events, number, in_ms(&wait), mask, KERNEL_SIGSET));
}

int epoll_wait(int epoll, struct epoll_event *events, int number, int timeout) {
	return epoll_pwait(epoll, events, number, timeout, 0);
}

int epoll_pwait2(int epoll, struct epoll_event *events, int number, const struct timespec *t, const sigset_t *mask) {
	if (!t) return epoll_pwait(epoll, events, number, -1, mask);
	IN_SLICES(in_ns(t), syscall(SYS_epoll_pwait, epoll, events, number, in_ms(&wait), mask, KERNEL_SIGSET));
}

/* The sets are what is waited for, and in the end what there is: of a slice with nothing they are put back. */
static int select_within(int number, fd_set *sets[3], const struct timespec *timeout, const sigset_t *mask,
			 int64_t *left) {
	struct {
		const sigset_t *mask;
		size_t size;
	} signals = {mask, KERNEL_SIGSET};
	size_t octets = (number + 63) / 64 * 8;
	char kept[3][8192];
	int64_t due;
	int each;
	if (!timeout || number < 0 || octets > sizeof kept[0])
		return syscall(SYS_pselect6, number, sets[0], sets[1], sets[2], timeout, mask ? &signals : 0);
	due = lab_time(CLOCK_MONOTONIC) + in_ns(timeout);
	for (each = 0; each < 3; each++)
		if (sets[each]) memcpy(kept[each], sets[each], octets);
	for (;;) {
		int64_t remaining = due - lab_time(CLOCK_MONOTONIC);
		struct timespec wait = in_timespec(remaining > 0 ? slice_of(remaining) : 0);
		int result;
		for (each = 0; each < 3; each++)
			if (sets[each]) memcpy(sets[each], kept[each], octets);
		result = syscall(SYS_pselect6, number, sets[0], sets[1], sets[2], &wait, mask ? &signals : 0);
		*left = due - lab_time(CLOCK_MONOTONIC);
		if (*left < 0) *left = 0;
		if (result || remaining <= 0) return result;
	}
}

int select(int number, fd_set *restrict in, fd_set *restrict out, fd_set *restrict odd, struct timeval *restrict t) {
	fd_set *sets[3];
	struct timespec limit = {0, 0};
	int64_t left = 0;
	int result;
	sets[0] = in, sets[1] = out, sets[2] = odd;
	if (t) limit = in_timespec((t->tv_sec * 1000000LL + t->tv_usec) * 1000);
	result = select_within(number, sets, t ? &limit : 0, 0, &left);
	if (t) {
		t->tv_sec = left / SECOND;
		t->tv_usec = left % SECOND / 1000;
	}
	return result;
}

int pselect(int number, fd_set *restrict in, fd_set *restrict out, fd_set *restrict odd,
	    const struct timespec *restrict t, const sigset_t *restrict mask) {
	fd_set *sets[3];
	int64_t left = 0;
	sets[0] = in, sets[1] = out, sets[2] = odd;
	return select_within(number, sets, t, mask, &left);
}

/* --- what waits for other threads --- */

static void *next_of(const char *name, const char *version) {
	void *found = version ? dlvsym(RTLD_NEXT, name, version) : 0;
	return found ? found : dlsym(RTLD_NEXT, name);
}

/* The machine's time at the end of the next slice, and whether that is the end of the whole wait. */
static struct timespec end_of_slice(clockid_t clock, const struct timespec *due, int *is_last) {
	int64_t left = in_ns(due) - lab_time(clock), slice = slice_of(left > 0 ? left : 0);
	*is_last = slice == left || left <= 0;
	return in_timespec(machine_time(clock) + slice);
}

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict due) {
	static int (*wait)(sem_t *, clockid_t, const struct timespec *);
	if (!wait) wait = next_of("sem_clockwait", 0);
	for (;;) {
		int is_last, result;
		struct timespec until = end_of_slice(clock, due, &is_last);
		result = wait(semaphore, clock, &until);
		if (!result || errno != ETIMEDOUT || is_last) return result;
	}
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict due) {
	static int (*wait)(sem_t *, const struct timespec *);
	if (!wait) wait = next_of("sem_timedwait", 0);
	for (;;) {
		int is_last, result;
		struct timespec until = end_of_slice(CLOCK_REALTIME, due, &is_last);
		result = wait(semaphore, &until);
		if (!result || errno != ETIMEDOUT || is_last) return result;
	}
}

/* A slice that ends is a wake-up for no reason, which a condition variable may have at any time: to wait once more in
   here could miss the signal. */
int pthread_cond_clockwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, clockid_t clock,
			   const struct timespec *restrict due) {
	static int (*wait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
	int is_last, result;
	struct timespec until = end_of_slice(clock, due, &is_last);
	if (!wait) wait = next_of("pthread_cond_clockwait", 0);
	result = wait(condition, mutex, clock, &until);
	return result == ETIMEDOUT && !is_last ? 0 : result;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
			   const struct timespec *restrict due) {
	static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
	int is_last, result;
	/* Which clock it waits on is the condition's own: the one whose time the end is nearer to. */
	int64_t from_wall = llabs(in_ns(due) - lab_time(CLOCK_REALTIME));
	int64_t from_boot = llabs(in_ns(due) - lab_time(CLOCK_MONOTONIC));
	struct timespec until = end_of_slice(from_wall < from_boot ? CLOCK_REALTIME : CLOCK_MONOTONIC, due, &is_last);
	/* glibc before 2.34 has two of that name on x86-64. */
	if (!wait) wait = next_of("pthread_cond_timedwait", "GLIBC_2.3.2");
	result = wait(condition, mutex, &until);
	return result == ETIMEDOUT && !is_last ? 0 : result;
}

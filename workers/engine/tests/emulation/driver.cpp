// A libcuda.so that emulates NVIDIA's driver for an emulated GPU, as far as the engine uses it.
//
// Work on streams, including copies to and from pinned memory, is delayed until its result must be visible, and the nodes of a graph run in
// changing orders that their edges allow. As on hardware, these are errors: a call on a thread without a context, a stream that never
// rejoins its capture, memory that does not exist, shared memory that was not requested, and the first use of a kernel in a capture that
// forbids loading.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

enum Result { SUCCESS, INVALID_VALUE, OUT_OF_MEMORY, NO_DEVICE = 100, INVALID_CONTEXT = 201, CONTAINED = 226, NOT_FOUND = 500, LAUNCH_FAILED = 719, CAPTURE_UNSUPPORTED = 900, UNJOINED = 904 };
enum Attribute { PROCESSORS = 16, MAJOR = 75, MINOR = 76, MEMORY_POOLS = 115 };

const int MOST_DYNAMIC_ATTRIBUTE = 8, CARVEOUT_ATTRIBUTE = 9, RELAXED_CAPTURE = 2;
const int CUDA = 13000;
const int LEAST_PRIORITY = 0, GREATEST_PRIORITY = -5;
const unsigned long long USE_NODE_PRIORITY = 8;
const unsigned UNASKED_SHARED = 48 << 10, MOST_DOWN = 65535;
// Per block, without what a kernel may declare statically.
const int MOST_LAUNCHED = (227 << 10) - 1024;

struct Function {
    void (*kernel)(const void *);
    unsigned bytes, threads, most_shared;
    // The driver loads a kernel when it is first used.
    bool loaded;
};

struct Launch {
    Function *function;
    unsigned x, y, threads, shared;
    std::vector<uint8_t> params;
};

struct Node {
    Launch launch;
    std::vector<size_t> after;
};

struct Graph {
    std::vector<Node> nodes;
};

struct Stream {
    std::deque<std::function<void()>> queue;
    // The capture that the stream is part of, or null; then the nodes that the next one depends on.
    Graph *capture;
    bool relaxed;
    std::vector<size_t> last;
};

struct Event {
    Graph *capture;
    bool relaxed;
    std::vector<size_t> last;
};

std::recursive_mutex lock;
int arch, devices;
size_t memory, used, graphs;
// The result of every call from now on, unless it is 0; and that of loading a module.
int lost, refused;
bool full;
uint64_t turns;
const void *(*find)(const char *);
uint8_t *(*fenced)(size_t);
bool (*unfenced)(uint8_t *, size_t);
const char *(*emulate)(void (*)(const void *), const void *, unsigned, unsigned, unsigned, unsigned);
std::vector<Stream *> streams;
std::map<uint8_t *, size_t> taken, pinned;
thread_local bool bound;
int context;

bool is_pinned(const void *address) {
    auto after = pinned.upper_bound((uint8_t *)address);
    return after != pinned.begin() && (--after)->first + after->second > (uint8_t *)address;
}

void drain(Stream *stream) {
    while (!stream->queue.empty()) {
        auto next = stream->queue.front();
        stream->queue.pop_front();
        next();
    }
}

void run(const Launch &launch) {
    std::vector<__int128> params((launch.params.size() + 15) / 16);
    memcpy(params.data(), launch.params.data(), launch.params.size());
    if (emulate(launch.function->kernel, params.data(), launch.x, launch.y, launch.threads, launch.shared)) lost = LAUNCH_FAILED;
}

// Runs all nodes, each after its dependencies: as early as possible, as late as possible, or in random order.
void run(const Graph &graph) {
    std::vector<bool> done(graph.nodes.size());
    uint64_t policy = turns++ % 3, random = turns * 0x9E3779B97F4A7C15ull;
    for (size_t count = 0; count < graph.nodes.size(); ++count) {
        std::vector<size_t> ready;
        for (size_t i = 0; i < graph.nodes.size(); ++i) {
            const auto &after = graph.nodes[i].after;
            if (!done[i] && std::all_of(after.begin(), after.end(), [&](size_t node) { return done[node]; })) ready.push_back(i);
        }
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        size_t next = policy == 0 ? ready.front() : policy == 1 ? ready.back() : ready[(random >> 33) % ready.size()];
        run(graph.nodes[next].launch);
        done[next] = true;
    }
}

}  // namespace

#define API extern "C" __attribute__((visibility("default"))) int
// For calls that need a context.
#define BOUND \
    std::lock_guard<std::recursive_mutex> guard(lock); \
    if (!bound) return INVALID_CONTEXT;
// For calls that need a context and a working GPU.
#define BEGIN \
    BOUND \
    if (lost) return lost;

// Replaces the GPU, whose kernels `find` returns. With architecture 0, there is none.
extern "C" __attribute__((visibility("default"))) void driver_is(int new_arch, size_t new_memory, const void *(*new_find)(const char *)) {
    std::lock_guard<std::recursive_mutex> guard(lock);
    arch = new_arch, memory = new_memory, find = new_find, lost = refused = 0, full = false, devices = arch > 0;
    if (!devices) return;
    emulate = (decltype(emulate))find("emulate");
    fenced = (decltype(fenced))find("fenced"), unfenced = (decltype(unfenced))find("unfenced");
}

// Makes the GPU fall off the bus, which the driver reports with this code.
extern "C" __attribute__((visibility("default"))) void driver_loses(int code) {
    std::lock_guard<std::recursive_mutex> guard(lock);
    lost = code;
}

// Makes the driver refuse modules with this code.
extern "C" __attribute__((visibility("default"))) void driver_refuses(int code) {
    std::lock_guard<std::recursive_mutex> guard(lock);
    refused = code;
}

// Makes the driver run out of memory when the next graph is uploaded.
extern "C" __attribute__((visibility("default"))) void driver_is_full() {
    std::lock_guard<std::recursive_mutex> guard(lock);
    full = true;
}

// The number of bytes in use, plus the number of streams, graphs, and pieces of pinned and GPU memory that have not been freed.
extern "C" __attribute__((visibility("default"))) size_t driver_holds() {
    std::lock_guard<std::recursive_mutex> guard(lock);
    return used + streams.size() + graphs + pinned.size() + taken.size();
}

API cuDriverGetVersion(int *version) { return *version = CUDA, SUCCESS; }
API cuInit(unsigned) { return devices ? SUCCESS : NO_DEVICE; }
API cuDeviceGetCount(int *count) { return *count = devices, SUCCESS; }
API cuDeviceGet(int *device, int ordinal) { return *device = ordinal, ordinal < devices ? SUCCESS : INVALID_VALUE; }
API cuDeviceGetName(char *name, int bytes, int) { return strncpy(name, "emulated", bytes), SUCCESS; }
API cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = memory, SUCCESS; }
API cuDevicePrimaryCtxRetain(void **out, int) { return *out = &context, SUCCESS; }
API cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
API cuCtxGetCurrent(void **out) { return *out = bound ? &context : nullptr, SUCCESS; }
API cuCtxSetCurrent(void *of) { return bound = of != nullptr, SUCCESS; }

API cuGetErrorString(int result, const char **text) {
    return *text = result == LAUNCH_FAILED ? "unspecified launch failure" : result == CONTAINED ? "contained error" : "something else", SUCCESS;
}

API cuGetErrorName(int, const char **text) { return *text = "an error", SUCCESS; }

API cuDeviceGetAttribute(int *value, int attribute, int) {
    const std::map<int, int> values = {{PROCESSORS, 2}, {MAJOR, arch / 10}, {MINOR, arch % 10}, {MEMORY_POOLS, 1}};
    auto found = values.find(attribute);
    return found == values.end() ? INVALID_VALUE : (*value = found->second, SUCCESS);
}

API cuMemGetInfo_v2(size_t *free, size_t *total) {
    BEGIN
    return *free = memory - used, *total = memory, SUCCESS;
}

API cuStreamCreate(Stream **stream, unsigned) {
    BEGIN
    streams.push_back(*stream = new Stream());
    return SUCCESS;
}

API cuCtxGetStreamPriorityRange(int *least, int *greatest) {
    BEGIN
    return *least = LEAST_PRIORITY, *greatest = GREATEST_PRIORITY, SUCCESS;
}

API cuStreamCreateWithPriority(Stream **stream, unsigned flags, int priority) {
    if (priority < GREATEST_PRIORITY || priority > LEAST_PRIORITY) return INVALID_VALUE;
    return cuStreamCreate(stream, flags);
}

API cuStreamDestroy_v2(Stream *stream) {
    BOUND
    drain(stream);
    streams.erase(std::find(streams.begin(), streams.end(), stream));
    delete stream;
    return SUCCESS;
}

API cuStreamSynchronize(Stream *stream) {
    BEGIN
    if (stream->capture) return CAPTURE_UNSUPPORTED;
    drain(stream);
    return lost;
}

API cuStreamBeginCapture_v2(Stream *stream, int mode) {
    BEGIN
    if (stream->capture) return INVALID_VALUE;
    stream->capture = new Graph();
    stream->relaxed = mode == RELAXED_CAPTURE;
    graphs += 1;
    stream->last.clear();
    return SUCCESS;
}

API cuGraphDestroy(Graph *graph) {
    std::lock_guard<std::recursive_mutex> guard(lock);
    graphs -= 1;
    return delete graph, SUCCESS;
}

API cuStreamEndCapture(Stream *stream, Graph **graph) {
    BEGIN
    if (!stream->capture) return INVALID_VALUE;
    *graph = stream->capture;
    // Nodes that the origin does not depend on by now, directly or indirectly, never rejoined the capture.
    std::vector<size_t> open = stream->last;
    std::vector<bool> followed(stream->capture->nodes.size());
    while (!open.empty()) {
        size_t node = open.back();
        open.pop_back();
        if (followed[node]) continue;
        followed[node] = true;
        open.insert(open.end(), (*graph)->nodes[node].after.begin(), (*graph)->nodes[node].after.end());
    }
    for (Stream *other : streams)
        if (other->capture == *graph) other->capture = nullptr;
    if (!std::count(followed.begin(), followed.end(), false)) return SUCCESS;
    cuGraphDestroy(*graph);
    return *graph = nullptr, UNJOINED;
}

API cuEventCreate(Event **event, unsigned) {
    BOUND
    return *event = new Event(), SUCCESS;
}

API cuEventDestroy_v2(Event *event) {
    BOUND
    return delete event, SUCCESS;
}

// There is nothing to wait for: events are recorded only in captures.
API cuEventSynchronize(Event *) {
    BOUND
    return SUCCESS;
}

API cuEventRecord(Event *event, Stream *stream) {
    BEGIN
    if (!stream->capture) return INVALID_VALUE;
    return *event = {stream->capture, stream->relaxed, stream->last}, SUCCESS;
}

API cuStreamWaitEvent(Stream *stream, Event *event, unsigned) {
    BEGIN
    if (!event->capture || (stream->capture && stream->capture != event->capture)) return INVALID_VALUE;
    if (!stream->capture) stream->last.clear();
    stream->capture = event->capture;
    stream->relaxed = event->relaxed;
    stream->last.insert(stream->last.end(), event->last.begin(), event->last.end());
    return SUCCESS;
}

API cuGraphInstantiateWithFlags(Graph **exec, Graph *graph, unsigned long long flags) {
    BEGIN
    if (flags & ~USE_NODE_PRIORITY) return INVALID_VALUE;
    graphs += 1;
    return *exec = new Graph(*graph), SUCCESS;
}

API cuGraphUpload(Graph *, Stream *) {
    BEGIN
    return std::exchange(full, false) ? OUT_OF_MEMORY : SUCCESS;
}

API cuGraphExecDestroy(Graph *exec) {
    BOUND
    graphs -= 1;
    // A stream that still uses the memory finds garbage.
    exec->nodes.clear();
    return delete exec, SUCCESS;
}

API cuGraphLaunch(Graph *exec, Stream *stream) {
    BEGIN
    if (stream->capture) return CAPTURE_UNSUPPORTED;
    stream->queue.push_back([exec] { run(*exec); });
    return SUCCESS;
}

API cuModuleLoadData(void **module, const void *) { return *module = &context, refused; }
API cuModuleUnload(void *) { return SUCCESS; }

API cuModuleGetFunction(Function **function, void *, const char *name) {
    BEGIN
    const void *kernel = find(name), *bytes = find((std::string(name) + "_bytes").c_str()), *threads = find((std::string(name) + "_threads").c_str());
    if (!kernel || !bytes || !threads) return NOT_FOUND;
    *function = new Function{(void (*)(const void *))kernel, ((unsigned (*)())bytes)(), ((unsigned (*)())threads)(), UNASKED_SHARED, false};
    return SUCCESS;
}

API cuFuncSetAttribute(Function *function, int attribute, int value) {
    BEGIN
    if (attribute == CARVEOUT_ATTRIBUTE && value >= 0 && value <= 100) return SUCCESS;
    if (attribute != MOST_DYNAMIC_ATTRIBUTE || value < 0 || value > MOST_LAUNCHED) return INVALID_VALUE;
    return function->most_shared = value, SUCCESS;
}

API cuLaunchKernel(Function *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned, unsigned, unsigned shared, Stream *stream,
                   void **params, void **) {
    BEGIN
    if (!x || x >> 31 || !y || y > MOST_DOWN || z != 1 || threads != function->threads || shared > function->most_shared) return INVALID_VALUE;
    if (stream->capture && !stream->relaxed && !function->loaded) return CAPTURE_UNSUPPORTED;
    function->loaded = true;
    auto from = (const uint8_t *)params[0];
    Launch launch = {function, x, y, threads, shared, {from, from + function->bytes}};
    if (stream->capture) {
        stream->capture->nodes.push_back({launch, stream->last});
        stream->last = {stream->capture->nodes.size() - 1};
    } else {
        stream->queue.push_back([launch] { run(launch); });
    }
    return SUCCESS;
}

API cuMemAllocAsync(uint8_t **address, size_t bytes, Stream *stream) {
    BEGIN
    if (stream->capture) return CAPTURE_UNSUPPORTED;
    if (!bytes) return INVALID_VALUE;
    if (bytes > memory - used) return OUT_OF_MEMORY;
    *address = fenced(bytes);
    taken[*address] = bytes;
    used += bytes;
    return SUCCESS;
}

// The bytes count as in use until the stream gets there.
API cuMemFreeAsync(uint8_t *address, Stream *stream) {
    BOUND
    stream->queue.push_back([address] {
        used -= taken[address];
        if (!unfenced(address, taken[address])) lost = LAUNCH_FAILED;
        taken.erase(address);
    });
    return SUCCESS;
}

API cuMemHostAlloc(uint8_t **address, size_t bytes, unsigned) {
    BEGIN
    pinned[*address = (uint8_t *)malloc(bytes)] = bytes;
    return SUCCESS;
}

API cuMemFreeHost(uint8_t *address) {
    BOUND
    pinned.erase(address);
    free(address);
    return SUCCESS;
}

API cuMemcpyHtoDAsync_v2(uint8_t *to, const uint8_t *from, size_t bytes, Stream *stream) {
    BEGIN
    if (stream->capture) return CAPTURE_UNSUPPORTED;
    if (is_pinned(from)) {
        stream->queue.push_back([=] { memcpy(to, from, bytes); });
    } else {
        std::vector<uint8_t> now(from, from + bytes);
        stream->queue.push_back([=] { memcpy(to, now.data(), bytes); });
    }
    return SUCCESS;
}

API cuMemcpyDtoHAsync_v2(uint8_t *to, const uint8_t *from, size_t bytes, Stream *stream) {
    BEGIN
    if (stream->capture) return CAPTURE_UNSUPPORTED;
    stream->queue.push_back([=] { memcpy(to, from, bytes); });
    if (!is_pinned(to)) drain(stream);
    return lost;
}

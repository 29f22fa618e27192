// Lossless Ethernet with pauses and without congestion control: when does each transfer end?
//
// Usage: pause FOLDER writes pause_links.csv and pause_flows.csv there. README.md says how to build.
//
// Hosts at one switch, time in slots of one packet. A host that is not paused sends one packet a
// slot, of its flows in turn; it joins the first-in-first-out queue of its receiver's port, which
// passes one packet a slot. A host is paused while 1 MiB of its packets are in the switch (PFC
// counts by ingress), whoever they are for: this is how a blocked flow holds the others up.

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <deque>
#include <random>
#include <string>
#include <vector>

const int packet = 4096;          // bytes
const double gbps = 12.5;         // of a port, in GB/s
const int pause = 256;            // packets of one host in the switch
const double slot_us = packet / gbps * 1e-3;

struct Flow {
  int from, to;
  double start_us;
  int64_t bytes;
  int64_t unsent = 0, unreceived = 0;
  double fct_us = 0;
};

struct Case {
  std::string name;
  int hosts;
  std::vector<Flow> flows;
};

static std::mt19937_64 generator(20251218);
static int below(int n) { return static_cast<int>(generator() % n); }
static double uniform() { return (generator() >> 11) * 0x1p-53; }

/// Transfers of 1 to 64 MiB, arriving at `load` of the ports; half of the hosts send to the other
/// half, or all to all. `hot` is the share sent to the last host.
static Case traffic(std::string name, bool halves, double load, double hot) {
  Case one{name, 16, {}};
  int senders = halves ? 8 : 16;
  const double mean = 1048576 * 63 / std::log(64.0);
  double rate = load * senders * gbps * 1e3 / mean, now = 0;  // flows per us
  while (one.flows.size() < 120) {
    now += -std::log(1 - uniform()) / rate;
    int from = below(senders);
    int to = uniform() < hot ? 15 : halves ? 8 + below(8) : below(16);
    int64_t packets = std::llround(256 * std::exp2(6 * uniform()));
    double start = std::round(now / slot_us) * slot_us;
    if (from != to) one.flows.push_back({from, to, start, packets * packet});
  }
  return one;
}

static void run(Case& one) {
  std::vector<std::vector<int>> sending(one.hosts);  // flows with unsent packets, the next one first
  std::vector<std::deque<int>> queue(one.hosts);     // flows of the packets at each receiver's port
  std::vector<int> inside(one.hosts, 0);
  size_t started = 0, ended = 0;
  for (int64_t slot = 0; ended < one.flows.size(); ++slot) {
    for (; started < one.flows.size(); ++started) {
      auto& flow = one.flows[started];
      if (std::llround(flow.start_us / slot_us) > slot) break;
      flow.unsent = flow.unreceived = flow.bytes / packet;
      sending[flow.from].push_back(static_cast<int>(started));
    }
    for (int i = 0; i < one.hosts; ++i) {
      int host = static_cast<int>((i + slot) % one.hosts);
      auto& mine = sending[host];
      if (mine.empty() || inside[host] >= pause) continue;
      int index = mine.front();
      auto& flow = one.flows[index];
      mine.erase(mine.begin());
      if (--flow.unsent > 0) mine.push_back(index);
      queue[flow.to].push_back(index);
      ++inside[host];
    }
    for (auto& port : queue) {
      if (port.empty()) continue;
      auto& flow = one.flows[port.front()];
      port.pop_front();
      --inside[flow.from];
      if (--flow.unreceived > 0) continue;
      flow.fct_us = (slot + 1) * slot_us - flow.start_us;
      ++ended;
    }
  }
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 64;
  }
  std::vector<Case> cases = {
      traffic("halves-0.6", true, 0.6, 0),
      traffic("hot-0.3", true, 0.3, 0.4),
      traffic("all-0.6", false, 0.6, 0),
  };
  std::string folder = argv[1];
  FILE* links = std::fopen((folder + "/pause_links.csv").c_str(), "w");
  FILE* flows = std::fopen((folder + "/pause_flows.csv").c_str(), "w");
  if (!links || !flows) {
    std::fprintf(stderr, "%s: cannot be written\n", folder.c_str());
    return 1;
  }
  const char* source = "# source: slots of one packet, pauses by ingress; Scripts/references/pause.cpp\n";
  std::fprintf(links, "# Ports of hosts at one switch: in, then out; GB/s.\n%scase,link,gbps\n", source);
  std::fprintf(flows,
               "# Flows over them: links passed, latency, cap of the flow (0: none), time to the last "
               "byte.\n%scase,path,start_us,bytes,latency_us,cap_gbps,fct_us\n",
               source);
  for (auto& one : cases) {
    run(one);
    for (int i = 0; i < 2 * one.hosts; ++i) std::fprintf(links, "%s,%d,%g\n", one.name.c_str(), i, gbps);
    for (auto& flow : one.flows)
      std::fprintf(flows, "%s,%d %d,%.1f,%" PRId64 ",0,0,%.1f\n", one.name.c_str(), flow.from,
                   one.hosts + flow.to, flow.start_us, flow.bytes, flow.fct_us);
  }
  std::fclose(links);
  std::fclose(flows);
}

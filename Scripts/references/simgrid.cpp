// Random networks and traffic, and when SimGrid's max-min model says that each flow ends.
//
// Usage: simgrid FOLDER writes simgrid_links.csv and simgrid_flows.csv there. README.md says how
// to build it. Draws come from std::mt19937_64 by remainder, so they are the same everywhere.

#include <simgrid/s4u.hpp>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace sg = simgrid::s4u;

struct Link {
  int gbps;        // 1e9 bytes/s
  int latency_us;  // 0 in the cases of equal weights
  sg::Link* link = nullptr;
};

struct Flow {
  std::vector<int> path;
  int start_us;
  uint64_t bytes;
  int cap_gbps;  // 0: none
  double fct_us = 0;
};

struct Case {
  std::vector<Link> links;
  std::vector<Flow> flows;
  int latency(const Flow& flow) const {
    int sum = 0;
    for (int link : flow.path) sum += links[link].latency_us;
    return sum;
  }
};

static std::mt19937_64 generator(20251218);
static int below(int n) { return static_cast<int>(generator() % n); }

/// A path over one of four kinds of networks; links are numbered per kind.
static std::vector<int> path(int kind, int links) {
  int half = links / 2;
  if (kind == 0) return {below(half), half + below(half)};  // ports of hosts at one switch
  if (kind == 1) {  // two tiers: 6 host links up, 6 down, 2 leaves of 2 trunks up and down
    int from = below(6), to = below(6);
    if (from / 3 == to / 3) return {from, 6 + to};
    return {from, 12 + from / 3, 14 + to / 3, 6 + to};
  }
  if (kind == 2) {  // a chain: a run of neighbouring links
    int first = below(links), last = first + below(std::min(4, links - first));
    std::vector<int> path;
    for (int link = first; link <= last; ++link) path.push_back(link);
    return path;
  }
  std::vector<int> path;  // any links
  for (int hops = 1 + below(4); hops > 0; --hops) {
    int link = below(links);
    if (std::find(path.begin(), path.end(), link) == path.end()) path.push_back(link);
  }
  return path;
}

static Case draw(int number) {
  Case result;
  int kind = number % 4;
  int links = kind == 1 ? 16 : 6 + 2 * below(4);
  bool weighted = number >= 16;  // latencies, and so weights; else all flows are equal
  for (int i = 0; i < links; ++i) result.links.push_back({1 + below(50), weighted ? 1 + below(9) : 0});
  for (int i = 12 + below(7); i > 0; --i) {
    Flow flow;
    flow.path = path(kind, links);
    flow.start_us = below(4000);
    flow.bytes = (UINT64_C(65536) << below(11)) + below(65536);
    flow.cap_gbps = number / 4 % 2 == 1 && below(3) == 0 ? 1 + below(20) : 0;
    result.flows.push_back(flow);
  }
  return result;
}

int main(int argc, char** argv) {
  sg::Engine engine(&argc, argv);
  // TCP-gamma bounds a rate by gamma / latency: never reached here; 0 would lift the flows' own caps.
  // The default precision of 3.32 is 1e-5, coarser than these flows; its solver fails below 1e-10.
  for (const char* option :
       {"network/model:CM02", "network/latency-factor:1", "network/bandwidth-factor:1",
        "network/weight-S:0", "network/TCP-gamma:1e18", "network/crosstraffic:0",
        "surf/precision:1e-12", "maxmin/precision:1e-9"})
    sg::Engine::set_config(option);
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 64;
  }
  std::vector<Case> cases;
  for (int number = 0; number < 32; ++number) cases.push_back(draw(number));

  // All cases run side by side; they share no link. Each flow has two hosts and a route of its own.
  auto* zone = sg::create_full_zone("root");
  for (size_t number = 0; number < cases.size(); ++number) {
    auto& one = cases[number];
    for (size_t i = 0; i < one.links.size(); ++i)
      one.links[i].link =
          zone->create_link(std::to_string(number) + "-" + std::to_string(i), one.links[i].gbps * 1e9)
              ->set_latency(one.links[i].latency_us * 1e-6)->seal();
    for (size_t i = 0; i < one.flows.size(); ++i) {
      auto& flow = one.flows[i];
      auto name = std::to_string(number) + "-" + std::to_string(i);
      auto* from = zone->create_host(name + "-from", 1e9)->seal();
      auto* to = zone->create_host(name + "-to", 1e9)->seal();
      std::vector<sg::LinkInRoute> route;
      for (int link : flow.path) route.emplace_back(one.links[link].link);
      zone->add_route(from->get_netpoint(), to->get_netpoint(), nullptr, nullptr, route, false);
      auto* box = sg::Mailbox::by_name(name);
      sg::Actor::create(name + "-to", to, [box] { box->get<Flow>(); });
      sg::Actor::create(name + "-from", from, [&flow, box] {
        sg::this_actor::sleep_until(flow.start_us * 1e-6);
        double start = sg::Engine::get_clock();
        auto comm = box->put_init(&flow, flow.bytes);
        if (flow.cap_gbps > 0) comm->set_rate(flow.cap_gbps * 1e9);
        comm->start()->wait();
        flow.fct_us = (sg::Engine::get_clock() - start) * 1e6;
      });
    }
  }
  zone->seal();
  engine.run();

  const char* source =
      "# source: SimGrid 3.32, network model CM02 without correction factors; "
      "Scripts/references/simgrid.cpp\n";
  std::string folder = argv[1];
  FILE* links = std::fopen((folder + "/simgrid_links.csv").c_str(), "w");
  FILE* flows = std::fopen((folder + "/simgrid_flows.csv").c_str(), "w");
  if (!links || !flows) {
    std::fprintf(stderr, "%s: cannot be written\n", folder.c_str());
    return 1;
  }
  std::fprintf(links, "# Links of random networks; GB/s.\n%scase,link,gbps\n", source);
  std::fprintf(flows,
               "# Flows over them: links passed, latency paid first, cap of the flow (0: none), time "
               "from start to end.\n%scase,path,start_us,bytes,latency_us,cap_gbps,fct_us\n",
               source);
  for (size_t number = 0; number < cases.size(); ++number) {
    for (size_t i = 0; i < cases[number].links.size(); ++i)
      std::fprintf(links, "%zu,%zu,%d\n", number, i, cases[number].links[i].gbps);
    for (const auto& flow : cases[number].flows) {
      std::string path;
      for (int link : flow.path) path += (path.empty() ? "" : " ") + std::to_string(link);
      std::fprintf(flows, "%zu,%s,%d,%" PRIu64 ",%d,%d,%.4f\n", number, path.c_str(), flow.start_us,
                   flow.bytes, cases[number].latency(flow), flow.cap_gbps, flow.fct_us);
    }
  }
  std::fclose(links);
  std::fclose(flows);
}

// Transfers of RDMA's sizes, packet by packet in ns-3: when does each end?
//
// Usage: ns3 FOLDER writes ns3_links.csv and ns3_flows.csv there. README.md says how to build it.
//
// Each flow keeps a fixed number of packets under way and sends one for each that the receiver has
// acknowledged, from its first packet on at full rate, as a reliable RDMA connection without
// congestion control does. UDP carries it. Queues are first in first out and lose nothing, so a
// switch behaves as lossless Ethernet with buffers deep enough that pauses never reach a sender.

#include <ns3/core-module.h>
#include <ns3/internet-module.h>
#include <ns3/network-module.h>
#include <ns3/point-to-point-module.h>
#include <ns3/traffic-control-module.h>

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

using namespace ns3;

const uint32_t payload = 4096;                  // bytes of a packet's data: RoCE's largest MTU
const uint32_t framing = 8 + 20 + 2;            // UDP, IPv4, PPP
const uint32_t window = 32;                     // packets under way per flow
const double hop_us = 0.5;                      // propagation and switching
const double host_gbps = 12.5;                  // 100 Gbit/s in GB/s

struct Flow {
  int from, to;
  double start_us;
  uint32_t bytes;
  double fct_us = -1;
};

/// Hosts on one switch, or, with a trunk, halved over two switches.
struct Case {
  std::string name;
  int hosts;
  double trunk_gbps;  // 0: one switch
  std::vector<Flow> flows;
};

static std::mt19937_64 generator(20251218);
static int below(int n) { return static_cast<int>(generator() % n); }
static double uniform() { return (generator() >> 11) * 0x1p-53; }
static uint32_t size() { return static_cast<uint32_t>(65536 * std::exp2(8 * uniform())); }

/// One flow's two ends.
struct Transfer {
  Flow* flow;
  Ptr<Socket> sender, receiver;
  uint32_t unsent, unreceived;

  Transfer(Flow* flow, Ptr<Node> from, Ptr<Node> to, Ipv4Address address, uint16_t port)
      : flow(flow), unsent(flow->bytes), unreceived(flow->bytes) {
    auto type = TypeId::LookupByName("ns3::UdpSocketFactory");
    receiver = Socket::CreateSocket(to, type);
    receiver->Bind(InetSocketAddress(Ipv4Address::GetAny(), port));
    receiver->SetRecvCallback(MakeCallback(&Transfer::received, this));
    sender = Socket::CreateSocket(from, type);
    sender->Bind();
    sender->Connect(InetSocketAddress(address, port));
    sender->SetRecvCallback(MakeCallback(&Transfer::acknowledged, this));
    Simulator::Schedule(NanoSeconds(std::llround(flow->start_us * 1e3)), &Transfer::begin, this);
  }
  void begin() {
    for (uint32_t i = 0; i < window; ++i) send();
  }
  void send() {
    uint32_t bytes = std::min(unsent, payload);
    if (bytes == 0) return;
    unsent -= bytes;
    sender->Send(Create<Packet>(bytes));
  }
  void received(Ptr<Socket> socket) {
    Address source;
    while (auto packet = socket->RecvFrom(source)) {
      unreceived -= packet->GetSize();
      if (unreceived == 0) flow->fct_us = Simulator::Now().GetNanoSeconds() * 1e-3 - flow->start_us;
      socket->SendTo(Create<Packet>(8), 0, source);
    }
  }
  void acknowledged(Ptr<Socket> socket) {
    while (socket->Recv()) send();
  }
};

static void run(Case& one) {
  NodeContainer hosts(one.hosts), switches(one.trunk_gbps > 0 ? 2 : 1);
  InternetStackHelper internet;
  internet.Install(hosts);
  internet.Install(switches);
  Ipv4AddressHelper addresses("10.0.0.0", "255.255.255.252");
  auto connect = [&](Ptr<Node> a, Ptr<Node> b, double gbps) {
    PointToPointHelper link;
    link.SetDeviceAttribute("DataRate", DataRateValue(DataRate(static_cast<uint64_t>(gbps * 8e9))));
    link.SetDeviceAttribute("Mtu", UintegerValue(9000));
    link.SetChannelAttribute("Delay", TimeValue(NanoSeconds(std::llround(hop_us * 1e3))));
    link.SetQueue("ns3::DropTailQueue", "MaxSize", StringValue("100000000p"));
    auto devices = link.Install(a, b);
    auto interfaces = addresses.Assign(devices);
    addresses.NewNetwork();
    TrafficControlHelper().Uninstall(devices);  // its queues would drop
    return interfaces.GetAddress(0);
  };
  std::vector<Ipv4Address> address;
  for (int host = 0; host < one.hosts; ++host) {
    int leaf = one.trunk_gbps > 0 && host >= one.hosts / 2 ? 1 : 0;
    address.push_back(connect(hosts.Get(host), switches.Get(leaf), host_gbps));
  }
  if (one.trunk_gbps > 0) connect(switches.Get(0), switches.Get(1), one.trunk_gbps);
  Ipv4GlobalRoutingHelper::PopulateRoutingTables();
  std::vector<std::unique_ptr<Transfer>> transfers;
  for (size_t i = 0; i < one.flows.size(); ++i) {
    auto& flow = one.flows[i];
    transfers.push_back(std::make_unique<Transfer>(
        &flow, hosts.Get(flow.from), hosts.Get(flow.to), address[flow.to], 1024 + i));
  }
  Simulator::Run();
  Simulator::Destroy();
  Ipv4AddressGenerator::Reset();
  for (auto& flow : one.flows) {
    if (flow.fct_us >= 0) continue;
    std::fprintf(stderr, "%s: a packet was lost\n", one.name.c_str());
    std::exit(1);
  }
}

/// Flows between random hosts, arriving at `load` of the ports, or of the trunk that all cross;
/// `hot` is the share sent to the last host.
static Case traffic(std::string name, int hosts, double trunk, double load, double hot, int count) {
  Case one{name, hosts, trunk, {}};
  const double mean = 65536 * 255 / (8 * std::log(2.0));
  double rate = load * (trunk > 0 ? trunk : hosts * host_gbps) * 1e3 / mean;  // flows per us
  double now = 0;
  while (static_cast<int>(one.flows.size()) < count) {
    now += -std::log(1 - uniform()) / rate;
    int from = trunk > 0 ? below(hosts / 2) : below(hosts);
    int to = trunk > 0 ? hosts / 2 + below(hosts / 2) : uniform() < hot ? hosts - 1 : below(hosts);
    if (from != to) one.flows.push_back({from, to, std::round(now * 1e2) / 1e2, size()});
  }
  return one;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 64;
  }
  std::vector<Case> cases;
  Case alone{"alone", 2, 0, {}};
  for (int i = 0; i <= 8; ++i) alone.flows.push_back({0, 1, i * 5000.0, UINT32_C(65536) << i});
  cases.push_back(alone);
  for (int senders : {2, 4, 8, 15}) {
    Case incast{"incast-" + std::to_string(senders), senders + 1, 0, {}};
    double start = 0;
    for (uint32_t bytes : {65536u, 1048576u, 16777216u}) {
      for (int i = 0; i < senders; ++i) incast.flows.push_back({i, senders, start, bytes});
      start += 10000;
    }
    cases.push_back(incast);
  }
  cases.push_back(traffic("uniform-0.3", 8, 0, 0.3, 0, 40));
  cases.push_back(traffic("uniform-0.6", 8, 0, 0.6, 0, 40));
  cases.push_back(traffic("uniform-0.85", 8, 0, 0.85, 0, 40));
  cases.push_back(traffic("hot-0.2", 8, 0, 0.2, 0.4, 40));
  cases.push_back(traffic("trunk-12.5", 8, 12.5, 0.8, 0, 40));
  cases.push_back(traffic("trunk-25", 8, 25, 0.8, 0, 40));

  std::string folder = argv[1];
  FILE* links = std::fopen((folder + "/ns3_links.csv").c_str(), "w");
  FILE* flows = std::fopen((folder + "/ns3_flows.csv").c_str(), "w");
  if (!links || !flows) {
    std::fprintf(stderr, "%s: cannot be written\n", folder.c_str());
    return 1;
  }
  const char* source = "# source: ns-3.37, packet by packet; Scripts/references/ns3.cpp\n";
  std::fprintf(links, "# Links of the packet simulations; GB/s of payload.\n%scase,link,gbps\n", source);
  std::fprintf(flows,
               "# Flows over them: links passed, latency of the first packet, cap of the flow (0: "
               "none), time to the last byte.\n%scase,path,start_us,bytes,latency_us,cap_gbps,fct_us\n",
               source);
  const double share = static_cast<double>(payload) / (payload + framing);
  for (auto& one : cases) {
    run(one);
    // Links: into the network from each host, out of it to each host, the trunk.
    for (int i = 0; i < 2 * one.hosts; ++i)
      std::fprintf(links, "%s,%d,%.6f\n", one.name.c_str(), i, host_gbps * share);
    if (one.trunk_gbps > 0)
      std::fprintf(links, "%s,%d,%.6f\n", one.name.c_str(), 2 * one.hosts, one.trunk_gbps * share);
    const double packet_us = (payload + framing) / host_gbps * 1e-3;
    for (auto& flow : one.flows) {
      std::string path = std::to_string(flow.from);
      double latency = 2 * hop_us + packet_us;
      if (one.trunk_gbps > 0) {
        path += " " + std::to_string(2 * one.hosts);
        latency += hop_us + (payload + framing) / one.trunk_gbps * 1e-3;
      }
      path += " " + std::to_string(one.hosts + flow.to);
      std::fprintf(flows, "%s,%s,%.2f,%u,%.3f,0,%.2f\n", one.name.c_str(), path.c_str(),
                   flow.start_us, flow.bytes, latency, flow.fct_us);
    }
  }
  std::fclose(links);
  std::fclose(flows);
}

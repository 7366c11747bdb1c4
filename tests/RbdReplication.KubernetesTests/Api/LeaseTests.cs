using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Leases;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Api;

/// <summary>Elections by a Lease that the API server checks.</summary>
public sealed class LeaseTests(TwoClusters clusters) : IAsyncLifetime
{
    private readonly List<Candidate> _candidates = [];
    private string _namespace = "";

    private string Path => $"apis/coordination.k8s.io/v1/namespaces/{_namespace}/leases/rbd.csi.ceph.com-{_namespace}";

    public async ValueTask InitializeAsync() => _namespace = await TwoClusters.NewNamespaceAsync(clusters.A);

    public async ValueTask DisposeAsync()
    {
        foreach (var candidate in _candidates)
            await candidate.DisposeAsync();
    }

    [Fact]
    public async Task Of_candidates_that_begin_at_once_one_leads_and_gives_the_lease_to_another_when_it_stops()
    {
        for (var i = 0; i < 5; i++)
            Start($"c{i}");
        await Eventually.TrueAsync(() => Task.FromResult(_candidates.Count(c => c.Leads) == 1 && _candidates.Count(c => c.Election.IsFollower) == 4), "one leads, four follow");
        var first = _candidates.Single(c => c.Leads);
        await first.DisposeAsync();
        _candidates.Remove(first);
        await Eventually.TrueAsync(() => Task.FromResult(_candidates.Any(c => c.Leads)), "another leads");
        Assert.Single(_candidates, c => c.Leads);
        Assert.Equal(1, (int)(await clusters.A.GetAsync(Path))["spec"]!["leaseTransitions"]!);
    }

    [Fact]
    public async Task A_renewal_that_conflicts_with_another_writer_ends_the_term()
    {
        var candidate = Start("a");
        await Eventually.TrueAsync(() => Task.FromResult(candidate.Leads), "a leads");
        await clusters.A.MergeAsync(Path, new JsonObject { ["spec"] = new JsonObject { ["holderIdentity"] = "thief" } });
        await Eventually.TrueAsync(() => Task.FromResult(!candidate.Leads), "a does not lead any more");
        Assert.Equal("thief", (string?)(await clusters.A.GetAsync(Path))["spec"]!["holderIdentity"]);
    }

    [Fact]
    public async Task A_write_of_an_older_version_is_a_conflict()
    {
        var candidate = Start("a");
        await Eventually.TrueAsync(() => Task.FromResult(candidate.Leads), "a leads");
        var read = await clusters.A.GetAsync(Path);
        await Eventually.TrueAsync(
            async () => (string?)(await clusters.A.GetAsync(Path))["metadata"]!["resourceVersion"] != (string?)read["metadata"]!["resourceVersion"], "a renews");
        var refusal = await Assert.ThrowsAsync<KubernetesApiException>(() => clusters.A.ReplaceAsync(Path, read));
        Assert.True(refusal.IsConflict, refusal.Message);
        Assert.True(candidate.Leads);
    }

    private Candidate Start(string identity)
    {
        var candidate = new Candidate(TwoClusters.Connect(clusters.A), LeaseElectionOptions.ForDriver("rbd.csi.ceph.com", _namespace) with { Identity = identity });
        _candidates.Add(candidate);
        return candidate;
    }

    private sealed class Candidate : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly KubernetesApi _api;
        private readonly Task _running;
        private Leadership? _leadership;

        public Candidate(KubernetesApi api, LeaseElectionOptions options)
        {
            _api = api;
            Election = new LeaseElection(api, options, TimeProvider.System, NullLogger<LeaseElection>.Instance);
            _running = Election.RunAsync(LeadAsync, _stop.Token);
        }

        public LeaseElection Election { get; }

        public bool Leads => _leadership is { Token.IsCancellationRequested: false };

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _running;
            _api.Dispose();
            _stop.Dispose();
        }

        private async Task LeadAsync(Leadership leadership)
        {
            _leadership = leadership;
            await Task.Delay(Timeout.Infinite, leadership.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}

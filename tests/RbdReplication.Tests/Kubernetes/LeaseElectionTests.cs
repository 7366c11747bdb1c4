using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Leases;

namespace RbdReplication.Tests.Kubernetes;

public sealed class LeaseElectionTests : IAsyncLifetime
{
    /// <summary>Longer than any wait between attempts, shorter than a request may take.</summary>
    private static readonly TimeSpan Attempt = TimeSpan.FromSeconds(4.5);

    private readonly ApiServerStandIn _server = new();
    private readonly ManualTime _time = new();
    private readonly List<Candidate> _candidates = [];

    public async ValueTask InitializeAsync() => await _server.StartAsync();

    public async ValueTask DisposeAsync()
    {
        _server.Refuse = (_, _) => null;
        foreach (var candidate in _candidates)
            await candidate.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Fact]
    public void The_lease_of_a_driver_is_named_as_ceph_csi_names_it() =>
        Assert.Equal(
            new ObjectName("rook-ceph", "rbd.csi.ceph.com-rook-ceph"),
            LeaseElectionOptions.ForDriver("rbd.csi.ceph.com", "rook-ceph").Lease);

    [Fact]
    public async Task The_first_candidate_creates_the_lease_with_the_fields_of_client_go()
    {
        var a = Start("a");
        await a.LeadsAsync();

        var spec = Spec();
        Assert.Equal("a", (string?)spec["holderIdentity"]);
        Assert.Equal(15, (int)spec["leaseDurationSeconds"]!);
        Assert.Equal(0, (int)spec["leaseTransitions"]!);
        Assert.Equal(_time.GetUtcNow(), Time(spec["renewTime"]));
        Assert.Equal(_time.GetUtcNow(), Time(spec["acquireTime"]));
        // The API server asks for the fraction of a whole second too.
        Assert.Matches("^[0-9-]+T[0-9:]+\\.[0-9]{6}Z$", (string?)spec["renewTime"]);
    }

    [Fact]
    public async Task A_leader_renews_every_two_seconds_and_stays_leader_for_longer_than_the_lease()
    {
        var a = Start("a");
        await a.LeadsAsync();
        for (var i = 0; i < 20; i++)
            await RenewedAsync();
        Assert.True(a.Leads);
        Assert.Equal(1, a.Terms);
        Assert.Equal(0, (int)Spec()["leaseTransitions"]!);
    }

    [Fact]
    public async Task A_second_candidate_waits_and_takes_over_at_once_when_the_lease_is_released()
    {
        var a = Start("a");
        await a.LeadsAsync();
        var b = Start("b");
        await ReadsAsync(2);
        Assert.False(b.Leads);
        await Until.TrueAsync(() => b.IsFollower, "the second knows that the first leads");
        Assert.False(a.IsFollower);

        await a.StopAsync();
        Assert.Equal("", (string?)Spec()["holderIdentity"]);
        Assert.Equal(1, (int)Spec()["leaseDurationSeconds"]!);
        await WaitingAsync();
        _time.Advance(Attempt);
        await b.LeadsAsync();
        Assert.False(b.IsFollower);
        Assert.Equal("b", (string?)Spec()["holderIdentity"]);
        Assert.Equal(1, (int)Spec()["leaseTransitions"]!);
    }

    [Fact]
    public async Task A_leader_without_an_api_server_stops_after_ten_seconds_and_before_another_can_lead()
    {
        var a = Start("a");
        await a.LeadsAsync();
        var b = Start("b");

        // Only writes fail, so b sees all the time who has the lease.
        _server.Refuse = (method, _) => method == "PUT" ? 503 : null;
        await WaitingAsync(2);
        _time.Advance(Attempt);
        await WaitingAsync(2);
        _time.Advance(Attempt);
        _time.Advance(TimeSpan.FromSeconds(0.9));
        Assert.True(a.Leads);
        Assert.False(b.Leads);
        _time.Advance(TimeSpan.FromSeconds(0.1));
        await Until.TrueAsync(() => !a.Leads, "a stops leading");
        Assert.False(b.Leads);

        _server.Refuse = (_, _) => null;
        await AdvanceUntilAsync(() => b.Leads || a.Leads, "somebody leads again");
        Assert.False(a.Leads && b.Leads);
    }

    [Fact]
    public async Task The_lease_of_a_dead_leader_is_taken_when_it_runs_out_by_our_own_clock()
    {
        // Its times lie years ahead: clocks of other machines are not to be trusted.
        _server.PutLease("ceph", "rbd.csi.ceph.com-ceph", new JsonObject
        {
            ["holderIdentity"] = "dead",
            ["leaseDurationSeconds"] = 15,
            ["acquireTime"] = "2030-01-01T00:00:00.000000Z",
            ["renewTime"] = "2030-01-01T00:00:00.000000Z",
            ["leaseTransitions"] = 6,
        });
        var a = Start("a");
        await ReadsAsync(1);
        for (var seconds = 0; seconds < 15; seconds += 5)
        {
            Assert.False(a.Leads);
            var reads = Reads();
            await WaitingAsync();
            _time.Advance(TimeSpan.FromSeconds(5));
            await ReadsAsync(reads + 1);
        }
        await AdvanceUntilAsync(() => a.Leads, "a leads");
        Assert.Equal(7, (int)Spec()["leaseTransitions"]!);
    }

    [Fact]
    public async Task A_lease_that_somebody_took_ends_the_term()
    {
        var a = Start("a");
        await a.LeadsAsync();
        _server.PutLease("ceph", "rbd.csi.ceph.com-ceph", new JsonObject { ["holderIdentity"] = "thief", ["leaseDurationSeconds"] = 15 });

        // The write conflicts, then the read shows who has it.
        await AdvanceUntilAsync(() => !a.Leads, "a stops leading");
        Assert.Equal("thief", (string?)Spec()["holderIdentity"]);
    }

    [Fact]
    public async Task Of_many_candidates_exactly_one_leads()
    {
        for (var i = 0; i < 8; i++)
            Start($"c{i}");
        await Until.TrueAsync(() => _candidates.Any(c => c.Leads), "one leads");
        await ReadsAsync(8);
        Assert.Single(_candidates, c => c.Leads);
    }

    [Fact]
    public async Task Work_that_is_slow_to_end_keeps_the_lease_from_being_released()
    {
        var a = Start("a");
        await a.LeadsAsync();
        a.Hold = new TaskCompletionSource();
        var stopping = a.StopAsync();
        await Until.TrueAsync(() => a.Ended, "the term has ended");
        Assert.Equal("a", (string?)Spec()["holderIdentity"]);
        a.Hold.SetResult();
        await Until.EndsAsync(stopping);
        Assert.Equal("", (string?)Spec()["holderIdentity"]);
    }

    [Fact]
    public async Task A_renewal_that_was_written_though_the_stop_cut_off_its_answer_does_not_keep_the_lease()
    {
        var a = Start("a");
        await a.LeadsAsync();
        var written = new TaskCompletionSource();
        var stopped = new TaskCompletionSource();
        _server.Before = async (method, _) =>
        {
            if (method != "PUT" || written.Task.IsCompleted)
                return;
            _server.PutLease("ceph", "rbd.csi.ceph.com-ceph", (JsonObject)Spec().DeepClone());
            written.SetResult();
            await stopped.Task;
        };
        await WaitingAsync();
        _time.Advance(TimeSpan.FromSeconds(2));
        await Until.EndsAsync(written.Task);
        await a.StopAsync();
        stopped.SetResult();
        Assert.Equal("", (string?)Spec()["holderIdentity"]);
    }

    [Fact]
    public async Task A_leader_that_stops_after_a_renewal_without_an_answer_gives_the_lease_back()
    {
        var a = Start("a");
        await a.LeadsAsync();
        var writes = _server.Count("PUT", "/leases/");
        _server.Refuse = (method, _) => method == "PUT" ? 503 : null;
        await WaitingAsync();
        _time.Advance(TimeSpan.FromSeconds(2));
        await Until.TrueAsync(() => _server.Count("PUT", "/leases/") > writes, "a renewal has failed");
        await WaitingAsync();
        _server.Refuse = (_, _) => null;
        Assert.Equal("a", (string?)Spec()["holderIdentity"]);
        await a.StopAsync();
        Assert.Equal("", (string?)Spec()["holderIdentity"]);
    }

    [Fact]
    public async Task A_candidate_that_stops_after_a_claim_without_an_answer_gives_the_lease_back()
    {
        var written = new TaskCompletionSource();
        _server.Before = (method, path) =>
        {
            if (method == "POST" && path.EndsWith("/leases", StringComparison.Ordinal) && !written.Task.IsCompleted)
            {
                _server.PutLease("ceph", "rbd.csi.ceph.com-ceph", new JsonObject { ["holderIdentity"] = "a", ["leaseDurationSeconds"] = 15 });
                written.SetResult();
                _server.Refuse = (verb, _) => verb == "POST" ? 503 : null;
            }
            return Task.CompletedTask;
        };
        var a = Start("a");
        await Until.EndsAsync(written.Task);
        await WaitingAsync();
        await a.StopAsync();
        Assert.Equal(0, a.Terms);
        Assert.Equal("", (string?)Spec()["holderIdentity"]);
    }

    [Fact]
    public async Task A_frozen_leader_notices_before_its_next_write_that_its_term_is_over()
    {
        var a = Start("a");
        await a.LeadsAsync();
        // It is elected again at once, with another term.
        var term = a.Leadership!;
        term.ThrowIfLost();
        // No timer has had a chance to run, as after a suspended virtual machine.
        _time.Jump(TimeSpan.FromSeconds(10) - TimeSpan.FromTicks(1));
        term.ThrowIfLost();
        _time.Jump(TimeSpan.FromTicks(1));
        Assert.Throws<OperationCanceledException>(term.ThrowIfLost);
        Assert.True(term.Token.IsCancellationRequested);
    }

    [Fact]
    public async Task What_the_work_throws_ends_the_election_and_releases_the_lease()
    {
        using var api = _server.Connect();
        var election = new LeaseElection(api, Options("a"), _time, NullLogger<LeaseElection>.Instance);
        var running = election.RunAsync(_ => throw new InvalidDataException("broken"), CancellationToken.None);
        await Assert.ThrowsAsync<InvalidDataException>(() => Until.EndsAsync(running));
        Assert.Equal("", (string?)Spec()["holderIdentity"]);
    }

    private Candidate Start(string identity)
    {
        var candidate = new Candidate(_server, Options(identity), _time);
        _candidates.Add(candidate);
        return candidate;
    }

    private static LeaseElectionOptions Options(string identity) =>
        LeaseElectionOptions.ForDriver("rbd.csi.ceph.com", "ceph") with { Identity = identity };

    private JsonObject Spec() => (JsonObject)_server.Lease("ceph", "rbd.csi.ceph.com-ceph")!["spec"]!;

    private static DateTimeOffset Time(JsonNode? node) => DateTimeOffset.Parse((string)node!, CultureInfo.InvariantCulture);

    private int Reads() => _server.Count("GET", "/leases/");

    private Task ReadsAsync(int count) => Until.TrueAsync(() => Reads() >= count, $"the lease is read {count} times");

    /// <summary>A candidate waits for its next attempt: requests have five seconds, attempts come sooner.</summary>
    private Task WaitingAsync(int candidates = 1) =>
        Until.TrueAsync(() => _time.TimersWithin(Attempt) == candidates, $"{candidates} candidates wait");

    private async Task RenewedAsync()
    {
        await WaitingAsync();
        _time.Advance(TimeSpan.FromSeconds(2));
        await Until.TrueAsync(() => Time(Spec()["renewTime"]) >= _time.GetUtcNow(), "the lease is renewed");
    }

    private Task AdvanceUntilAsync(Func<bool> condition, string what) => Until.TrueAsync(
        () =>
        {
            if (!condition())
                _time.Advance(TimeSpan.FromMilliseconds(250));
            return condition();
        },
        what);

    private sealed class Candidate : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly KubernetesApi _api;
        private readonly LeaseElection _election;
        private readonly Task _running;

        public Candidate(ApiServerStandIn server, LeaseElectionOptions options, TimeProvider time)
        {
            _api = server.Connect();
            _election = new LeaseElection(_api, options, time, NullLogger<LeaseElection>.Instance);
            _running = _election.RunAsync(LeadAsync, _stop.Token);
        }

        public bool Leads => Leadership is { Token.IsCancellationRequested: false };

        public bool IsFollower => _election.IsFollower;

        public bool Ended => Leadership is { Token.IsCancellationRequested: true };

        public Leadership? Leadership { get; private set; }

        public int Terms { get; private set; }

        public TaskCompletionSource? Hold { get; set; }

        public Task LeadsAsync() => Until.TrueAsync(() => Leads, "the candidate leads");

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await Until.EndsAsync(_running);
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            _api.Dispose();
            _stop.Dispose();
        }

        private async Task LeadAsync(Leadership leadership)
        {
            Terms++;
            Leadership = leadership;
            var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using (leadership.Token.Register(end.SetResult))
                await end.Task;
            if (Hold is { } hold)
                await hold.Task;
        }
    }
}

using System.Text.Json.Nodes;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;
using RbdReplication.KubernetesTests.Clusters;
using RbdReplication.KubernetesTests.Sites;

namespace RbdReplication.KubernetesTests.Play;

/// <summary>The controller as it is played: which calls it makes in which order, and what the status says after each answer.</summary>
public sealed class PlayedControllerTests(TwoClusters clusters) : IAsyncLifetime
{
    private readonly ProtectedClaim _claim = new(new VolumeHandle("site-a", 2, Guid.NewGuid().ToString()), "rbd.csi.ceph.com");
    private ScriptedServer _server = null!;
    private PlayedController _controller = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await ScriptedServer.StartAsync();
        await _claim.RestoreAsync(clusters.A);
        await clusters.A.CreateAsync($"api/v1/namespaces/{_claim.Namespace}/secrets", new JsonObject { ["metadata"] = new JsonObject { ["name"] = GeneratorAccount.SecretName }, ["stringData"] = new JsonObject { ["userID"] = "csi" } });
        _controller = new PlayedController(clusters.A, _server.Client, 0.02, _ => { }, _claim.Namespace).Start();
    }

    public async ValueTask DisposeAsync()
    {
        await _controller.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task A_primary_is_enabled_promoted_and_asked_about_and_only_asked_about_from_then_on()
    {
        _server.Info = new() { Status = GetVolumeReplicationInfoResponse.Types.Status.Degraded, StatusMessage = "behind" };
        await AskAsync("primary", "Primary");
        await Eventually.TrueAsync(() => Task.FromResult(_server.Calls.Count >= 6), "it is asked about again");
        Assert.Equal(["Enable", "Promote", "GetInfo", "Destination", "GetInfo", "GetInfo"], _server.Calls.Take(6));
        Assert.Equal(("True", "False", "False", "False", null), await ConditionsAsync());
        Assert.Null((await _claim.StatusAsync(clusters.A))!["lastSyncTime"]);
    }

    [Fact]
    public async Task A_promotion_that_is_refused_by_its_state_is_forced_at_once_and_another_is_tried_again()
    {
        _server.Failures["Promote"] = StatusCode.FailedPrecondition;
        await AskAsync("primary", "Primary");
        Assert.Equal(["Enable", "Promote", "Promote!"], _server.Calls.Take(3));

        await AskAsync("secondary", "Secondary");
        _server.Failures["Promote"] = StatusCode.Aborted;
        _server.Forget();
        await _claim.AskAsync(clusters.A, "primary");
        await Eventually.TrueAsync(() => Task.FromResult(_server.Calls.Count(c => c == "Promote") > 2), "it is tried again");
        Assert.DoesNotContain("Promote!", _server.Calls);
        Assert.Equal(("False", "True", "False", "Unknown", "True"), await ConditionsAsync());
        _server.Failures.Clear();
        await _claim.AwaitStateAsync(clusters.A, "Primary");
    }

    [Fact]
    public async Task What_is_not_fit_to_be_enabled_is_not_validated()
    {
        _server.Failures["Enable"] = StatusCode.FailedPrecondition;
        await _claim.AskAsync(clusters.A, "primary");
        await _claim.AwaitConditionAsync(clusters.A, "Validated", "False");
        _server.Failures.Clear();
        await _claim.AwaitStateAsync(clusters.A, "Primary");
        Assert.Equal("False", await _claim.ConditionAsync(clusters.A, "Validated"));
    }

    [Fact]
    public async Task Without_a_destination_the_state_stays_unknown()
    {
        _server.Failures["Destination"] = StatusCode.Unavailable;
        await _claim.AskAsync(clusters.A, "primary");
        await Eventually.TrueAsync(() => Task.FromResult(_server.Calls.Count(c => c == "Destination") > 1), "it is asked again");
        Assert.Null((await _claim.StatusAsync(clusters.A))?["state"]);
        _server.Failures.Clear();
        await _claim.AwaitStateAsync(clusters.A, "Primary");
        Assert.Equal("there", (string?)(await _claim.StatusAsync(clusters.A))!["destinationVolumeID"]);
    }

    [Fact]
    public async Task A_secondary_is_demoted_and_resynced_until_it_is_ready()
    {
        await AskAsync("secondary", "Secondary");
        await _claim.AwaitConditionAsync(clusters.A, "Resyncing", "True");
        Assert.Equal(["Demote", "Demote", "Resync"], _server.Calls.Take(3));
        Assert.Equal("True", await _claim.ConditionAsync(clusters.A, "Degraded"));
        _server.IsReady = true;
        await _claim.AwaitConditionAsync(clusters.A, "Degraded", "False");
        Assert.Equal(("True", "False", "False", null, null), await ConditionsAsync());

        _server.Forget();
        await _claim.AskAsync(clusters.A, "resync");
        await Eventually.TrueAsync(() => Task.FromResult(_server.Calls.Contains("Resync!")), "it is resynced by force");
        Assert.Equal(["Resync!"], _server.Calls);
    }

    [Fact]
    public async Task A_deletion_waits_until_it_is_disabled_and_a_volume_that_is_gone_is()
    {
        await AskAsync("primary", "Primary");
        _server.Failures["Disable"] = StatusCode.Aborted;
        var gone = _claim.UnprotectAsync(clusters.A);
        await Eventually.TrueAsync(() => Task.FromResult(_server.Calls.Count(c => c == "Disable") > 2), "it is tried again");
        Assert.False(gone.IsCompleted);
        Assert.Contains("pvc-protection", (await _claim.ClaimAsync(clusters.A))["metadata"]!["finalizers"]!.ToJsonString(), StringComparison.Ordinal);
        _server.Failures["Disable"] = StatusCode.NotFound;
        await gone;
        Assert.DoesNotContain("replication", (await _claim.ClaimAsync(clusters.A))["metadata"]!["finalizers"]!.ToJsonString(), StringComparison.Ordinal);
    }

    private async Task AskAsync(string state, string then)
    {
        await _claim.AskAsync(clusters.A, state);
        await _claim.AwaitStateAsync(clusters.A, then);
    }

    /// <summary>Completed, Degraded, Resyncing, Replicating, Validated.</summary>
    private async Task<(string?, string?, string?, string?, string?)> ConditionsAsync() =>
        (await _claim.ConditionAsync(clusters.A, "Completed"), await _claim.ConditionAsync(clusters.A, "Degraded"), await _claim.ConditionAsync(clusters.A, "Resyncing"),
            await _claim.ConditionAsync(clusters.A, "Replicating"), await _claim.ConditionAsync(clusters.A, "Validated"));
}

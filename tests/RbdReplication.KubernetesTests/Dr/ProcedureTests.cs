using System.Text.Json.Nodes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Dr;

/// <summary>The commands of <c>dr</c> on two real API servers: what they change, what they wait for, where they stop.</summary>
public sealed class ProcedureTests(TwoClusters clusters) : IAsyncLifetime
{
    private DrNamespace _app = null!;
    private QuickController _a = null!;
    private QuickController _b = null!;

    public async ValueTask InitializeAsync()
    {
        _app = await DrNamespace.CreateAsync(clusters);
        _a = new QuickController(clusters.A, _app.Name);
        _b = new QuickController(clusters.B, _app.Name);
        await _app.PutClaimAsync(clusters.A, "data");
    }

    public async ValueTask DisposeAsync()
    {
        await _a.DisposeAsync();
        await _b.DisposeAsync();
    }

    [Fact]
    public async Task A_claim_is_protected_and_kept_in_step()
    {
        (await _app.RunAsync("protect", "data", "--class", _app.Class)).Succeeds();
        Assert.Equal("Bound", await _app.PhaseAsync(clusters.B, "data"));
        Assert.Equal(("primary", "secondary"), (await _app.WantedAsync(clusters.A, "data"), await _app.WantedAsync(clusters.B, "data")));
        var here = await clusters.A.GetAsync($"{ApiServer.Volumes}/{_app.PvName("data")}");
        var there = await clusters.B.GetAsync($"{ApiServer.Volumes}/{_app.PvName("data")}");
        Assert.True(JsonNode.DeepEquals(here["spec"]!["csi"], there["spec"]!["csi"]));
        Assert.Contains("1 safe to fail over", (await _app.RunAsync("status")).Succeeds().Output, StringComparison.Ordinal);

        await clusters.A.MergeAsync($"{ApiServer.Volumes}/{_app.PvName("data")}", JsonNode.Parse("""{"spec": {"capacity": {"storage": "2Gi"}}}""")!.AsObject());
        (await _app.RunAsync("protect", "data")).Succeeds();
        Assert.Equal("2Gi", (string?)(await clusters.B.GetAsync($"{ApiServer.Volumes}/{_app.PvName("data")}"))["spec"]!["capacity"]!["storage"]);
        Assert.NotNull((await clusters.B.GetAsync($"{ApiServer.Claims(_app.Name)}/data"))["metadata"]!["annotations"]!["rbd-replication.io/last-sync-seen"]);
    }

    [Fact]
    public async Task A_move_stops_the_application_and_starts_it_at_the_other_site()
    {
        await ProtectAsync();
        await _app.PutDeploymentAsync(clusters.A, "data", 2);
        await _app.PutDeploymentAsync(clusters.B, "data", 0);
        await Eventually.TrueAsync(async () => await _app.PodsAsync(clusters.A) == 2, "two pods use the claim");
        (await _app.RunAsync("relocate", "data")).StopsWith("use the claims");
        Assert.Equal("primary", await _app.WantedAsync(clusters.A, "data"));

        (await _app.RunAsync("relocate", "data", "--scale-down", "--scale-up", "--dry-run")).Succeeds();
        Assert.Equal(2, await _app.ReplicasAsync(clusters.A));

        (await _app.RunAsync("relocate", "data", "--scale-down", "--scale-up")).Succeeds();
        Assert.Equal(("secondary", "primary"), (await _app.WantedAsync(clusters.A, "data"), await _app.WantedAsync(clusters.B, "data")));
        Assert.Equal((0, 2), (await _app.ReplicasAsync(clusters.A), await _app.ReplicasAsync(clusters.B)));
        Assert.Contains("nothing to do", (await _app.RunAsync("relocate", "data")).Succeeds().Output, StringComparison.Ordinal);

        (await _app.RunAsync("relocate", "data", "--scale-down", "--scale-up", "--context", "site-b", "--peer-context", "site-a")).Succeeds();
        Assert.Equal((2, 0), (await _app.ReplicasAsync(clusters.A), await _app.ReplicasAsync(clusters.B)));
    }

    [Fact]
    public async Task A_move_that_was_killed_goes_on_and_one_that_was_finished_by_hand_is_done()
    {
        await ProtectAsync();
        (_b.Withheld, _b.Message) = ("primary", "the peer's last writes are on their way");
        using (var killed = DrRun.Start("relocate", "data", "-n", _app.Name))
        {
            await Eventually.TrueAsync(async () => await _app.WantedAsync(clusters.B, "data") == "primary", "the other site is asked to be primary");
            killed.Kill();
            await killed.WaitForExitAsync(CancellationToken.None);
        }
        var waiting = await _app.RunAsync("relocate", "data", "--timeout", "1s");
        waiting.StopsWith("the peer's last writes are on their way");
        Assert.DoesNotContain("make site-a secondary", waiting.Output, StringComparison.Ordinal);
        _b.Withheld = null;
        await Eventually.TrueAsync(async () => (string?)(await _app.ReplicationAsync(clusters.B, "data"))!["status"]!["state"] == "Primary", "somebody has finished it");
        Assert.Contains("nothing to do", (await _app.RunAsync("relocate", "data")).Succeeds().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failover_needs_a_lost_site_and_a_failback_the_word_that_data_may_go()
    {
        await ProtectAsync();
        (await _app.RunAsync("failover", "data", "--context", "site-b", "--peer-context", "site-a")).StopsWith("site-a answers");
        var failover = (await _app.RunAsync("failover", "data", "--peer-is-lost", "--context", "site-b", "--peer-context", "site-a")).Succeeds();
        Assert.Contains("is lost", failover.Output, StringComparison.Ordinal);
        (await _app.RunAsync("relocate", "data")).StopsWith("primary at both sites");
        Assert.Contains("both sites are primary", (await _app.RunAsync("status")).Output, StringComparison.Ordinal);

        (_a.Withheld, _a.Message) = ("secondary", "failed to resync volume: " + ResyncRules.OnlyWithForce);
        (await _app.RunAsync("failback", "data", "--follow-only", "--timeout", "1s", "--context", "site-b", "--peer-context", "site-a")).StopsWith("only with force");
        _a.Withheld = null;
        await _app.PutDeploymentAsync(clusters.A, "data", 2);
        await Eventually.TrueAsync(async () => await _app.PodsAsync(clusters.A) == 2, "two pods use the claim");
        (await _app.RunAsync("failback", "data", "--discard-peer-data", "--scale-down", "--scale-up", "--context", "site-b", "--peer-context", "site-a")).Succeeds();
        Assert.Equal(2, await _app.ReplicasAsync(clusters.A));
        Assert.Equal(("primary", "secondary"), (await _app.WantedAsync(clusters.A, "data"), await _app.WantedAsync(clusters.B, "data")));
    }

    [Fact]
    public async Task What_was_saved_is_restored_where_it_is_missing()
    {
        await _app.PutClaimAsync(clusters.A, "log");
        var folder = Directory.CreateTempSubdirectory("rbd-replication-");
        try
        {
            (await _app.RunAsync("backup", folder.FullName)).Succeeds();
            Assert.Equal(4, folder.GetFiles().Length);
            (await DrRun.OfAsync("restore", folder.FullName, "--context", "site-b")).Succeeds();
            Assert.Equal(("Bound", "Bound"), (await _app.PhaseAsync(clusters.B, "data"), await _app.PhaseAsync(clusters.B, "log")));
            Assert.Contains("nothing to do", (await DrRun.OfAsync("restore", folder.FullName, "--context", "site-b")).Succeeds().Output, StringComparison.Ordinal);
            await TwoClusters.KubectlAsync(clusters.B, "apply", "--dry-run=client", "-f", folder.FullName);

            // Its volume stays, of a claim that is no more, and would not be bound to one of the same name.
            await clusters.B.DeleteAsync($"{ApiServer.Claims(_app.Name)}/data");
            await Eventually.TrueAsync(
                async () => (string?)(await clusters.B.FindAsync($"{ApiServer.Volumes}/{_app.PvName("data")}"))?["status"]?["phase"] == "Released", "the volume is released");
            (await DrRun.OfAsync("restore", folder.FullName, "--context", "site-b")).StopsWith("its claim there was deleted");
            await clusters.B.DeleteAsync($"{ApiServer.Volumes}/{_app.PvName("data")}");
            (await DrRun.OfAsync("restore", folder.FullName, "--context", "site-b")).Succeeds();
            Assert.Equal("Bound", await _app.PhaseAsync(clusters.B, "data"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Unprotecting_removes_what_was_restored_and_leaves_the_data_where_it_is_primary()
    {
        await ProtectAsync();
        (await _app.RunAsync("unprotect", "data", "--context", "site-b", "--peer-context", "site-a")).StopsWith("is primary at site-a");
        (await _app.RunAsync("unprotect", "data")).Succeeds();
        Assert.Null(await _app.ReplicationAsync(clusters.A, "data"));
        Assert.Null(await _app.ReplicationAsync(clusters.B, "data"));
        Assert.Equal(("Bound", null), (await _app.PhaseAsync(clusters.A, "data"), await _app.PhaseAsync(clusters.B, "data")));
        Assert.Null(await clusters.B.FindAsync($"{ApiServer.Volumes}/{_app.PvName("data")}"));
    }

    [Fact]
    public async Task All_that_would_fail_later_is_said_at_once_and_nothing_is_changed()
    {
        await _app.PutClaimAsync(clusters.A, "cephfs", volume => volume["spec"]!["csi"]!["volumeAttributes"]!["fsName"] = "fs");
        await _app.PutClaimAsync(clusters.A, "deleted", volume => volume["spec"]!["persistentVolumeReclaimPolicy"] = "Delete");
        await _app.PutClaimAsync(clusters.A, "other", volume => volume["spec"]!["csi"]!["driver"] = "other.csi.ceph.com");
        await clusters.A.CreateAsync(ApiServer.Claims(_app.Name), JsonNode.Parse("""
            {"metadata": {"name": "pending"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Gi"}}}}
            """)!.AsObject());
        await _app.PutClassAsync(clusters.A, "5m", _app.Class + "-here");
        var run = await _app.RunAsync("protect", "data", "cephfs", "deleted", "other", "pending", "absent", "--class", _app.Class + "-here");
        foreach (var words in (string[])
        [
            "cephfs: it is of CephFS", "deleted: its PersistentVolume would be deleted with the claim", $"other: its driver is other.csi.ceph.com, and VolumeReplicationClass {_app.Class}-here is for {_app.Driver}",
            "pending: it is Pending", "absent: site-a has no such claim", $"site-b has no VolumeReplicationClass {_app.Class}-here",
        ])
            run.StopsWith(words);
        Assert.Empty(await clusters.A.ListAsync(ApiServer.Replications(_app.Name)));
        Assert.Empty(await clusters.B.ListAsync(ApiServer.Claims(_app.Name)));
    }

    [Fact]
    public async Task A_claim_of_another_volume_at_the_other_site_is_left_alone()
    {
        await clusters.B.CreateAsync("api/v1/namespaces", new JsonObject { ["metadata"] = new JsonObject { ["name"] = _app.Name } });
        await _app.PutClaimAsync(clusters.B, "data");
        (await _app.RunAsync("protect", "data", "--class", _app.Class)).StopsWith("spec.csi.volumeHandle");
        Assert.Null(await _app.ReplicationAsync(clusters.A, "data"));
    }

    [Fact]
    public async Task A_context_that_is_not_there_and_a_server_that_does_not_answer_or_refuses_are_named()
    {
        (await _app.RunAsync("status", "--context", "site-c")).StopsWith("context site-c is not in kubeconfig");
        var kubeconfig = Path.GetTempFileName();
        try
        {
            var text = await File.ReadAllTextAsync(Path.Combine(TwoClusters.Folder, "kubeconfig"), CancellationToken.None);
            await File.WriteAllTextAsync(kubeconfig, text.Replace(new Uri(clusters.B.Address).Authority, "127.0.0.1:1", StringComparison.Ordinal), CancellationToken.None);
            (await _app.RunAsync("protect", "data", "--class", _app.Class, "--kubeconfig", kubeconfig)).StopsWith("site-b: cannot list");
            var status = await _app.RunAsync("status", "data", "--kubeconfig", kubeconfig);
            Assert.Contains("site-b does not answer", status.Output, StringComparison.Ordinal);
            await File.WriteAllTextAsync(kubeconfig, System.Text.RegularExpressions.Regex.Replace(text, "token: [0-9a-f]+", "token: wrong"), CancellationToken.None);
            (await _app.RunAsync("protect", "data", "--class", _app.Class, "--kubeconfig", kubeconfig)).StopsWith("log in to site-a again");
        }
        finally
        {
            File.Delete(kubeconfig);
        }
    }

    [Fact]
    public async Task A_user_who_may_not_and_a_server_that_fails_are_named_with_what_was_asked_for()
    {
        var account = $"api/v1/namespaces/{_app.Name}/serviceaccounts";
        await clusters.A.CreateAsync(account, new JsonObject { ["metadata"] = new JsonObject { ["name"] = "nobody" } });
        var token = await clusters.A.CreateAsync($"{account}/nobody/token", new JsonObject { ["apiVersion"] = "authentication.k8s.io/v1", ["kind"] = "TokenRequest", ["spec"] = new JsonObject() });
        using var failing = new FailingApi();
        var kubeconfig = Path.GetTempFileName();
        try
        {
            var text = await File.ReadAllTextAsync(Path.Combine(TwoClusters.Folder, "kubeconfig"), CancellationToken.None);
            await File.WriteAllTextAsync(kubeconfig, System.Text.RegularExpressions.Regex.Replace(text, "token: [0-9a-f]+", $"token: {token["status"]!["token"]}"), CancellationToken.None);
            foreach (var command in (string[][])[["protect", "data", "--class", _app.Class], ["status"], ["relocate", "data"], ["unprotect", "data"]])
                (await _app.RunAsync([.. command, "--kubeconfig", kubeconfig])).StopsWith("site-a: cannot list ");

            await File.WriteAllTextAsync(kubeconfig, text.Replace(clusters.B.Address.TrimEnd('/'), failing.Address, StringComparison.Ordinal), CancellationToken.None);
            (await _app.RunAsync("protect", "data", "--class", _app.Class, "--kubeconfig", kubeconfig)).StopsWith("etcdserver: leader changed");
            var status = await _app.RunAsync("status", "data", "--kubeconfig", kubeconfig);
            Assert.Contains("site-b does not answer", status.Output, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(kubeconfig);
        }
        Assert.Null(await _app.ReplicationAsync(clusters.A, "data"));
    }

    [Fact]
    public async Task A_volume_that_is_attached_without_a_pod_is_waited_for_and_named()
    {
        await ProtectAsync();
        await clusters.A.CreateAsync("apis/storage.k8s.io/v1/volumeattachments", new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = _app.Name },
            ["spec"] = new JsonObject { ["attacher"] = _app.Driver, ["nodeName"] = "node-1", ["source"] = new JsonObject { ["persistentVolumeName"] = _app.PvName("data") } },
        });
        (await _app.RunAsync("relocate", "data", "--timeout", "1s")).StopsWith("still attached");
        Assert.Equal("primary", await _app.WantedAsync(clusters.A, "data"));
        await clusters.A.DeleteAsync($"apis/storage.k8s.io/v1/volumeattachments/{_app.Name}");
        (await _app.RunAsync("relocate", "data")).Succeeds();
    }

    [Fact]
    public async Task Two_that_do_the_same_at_once_both_end_well()
    {
        async Task TwiceAsync(params string[] arguments)
        {
            foreach (var run in await Task.WhenAll(_app.RunAsync(arguments), _app.RunAsync(arguments)))
                run.Succeeds();
        }

        await TwiceAsync("protect", "data", "--class", _app.Class);
        await TwiceAsync("relocate", "data");
        Assert.Equal(("secondary", "primary"), (await _app.WantedAsync(clusters.A, "data"), await _app.WantedAsync(clusters.B, "data")));
        await TwiceAsync("unprotect", "data", "--context", "site-b", "--peer-context", "site-a");
        Assert.Null(await _app.PhaseAsync(clusters.A, "data"));
    }

    private async Task ProtectAsync() => (await _app.RunAsync("protect", "data", "--class", _app.Class)).Succeeds();
}

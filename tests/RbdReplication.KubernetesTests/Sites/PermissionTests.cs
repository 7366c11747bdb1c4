using System.Text.Json.Nodes;
using RbdReplication.CephTests.PersistentVolumes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>The omap generator under RBAC, with the Roles that we deploy.</summary>
[Collection("Faults")]
public sealed class PermissionTests(TwoClusters clusters, TwoSites sites) : IAsyncLifetime
{
    private const string Contents = ApiServer.Replication + "/volumegroupreplicationcontents";

    private GeneratorAccount _account = null!;

    public async ValueTask InitializeAsync() => _account = await GeneratorAccount.StartAsync(clusters.B, sites.B);

    public async ValueTask DisposeAsync() => await _account.DisposeAsync();

    [Fact]
    public async Task Our_Roles_are_enough_for_all_that_the_generator_does()
    {
        var (image, missing) = (await _account.WithImageAsync(), _account.NewImage());
        await _account.PutAsync(_account.Pv(image));
        await _account.PutAsync(_account.Pv(missing));
        var group = await PutGroupAsync(image);
        using var generator = _account.Start();
        await generator.ReadyAsync();
        await MappedAsync(image);
        await image.AssertCompleteAsync();
        await Eventually.TrueAsync(async () => await group.ReadDirectoryEntryAsync() == group.Uuid, "the group can be found");
        await _account.EventAsync(missing, "ImageNotFound");

        await missing.CreateImageAsync();
        await MappedAsync(missing);
        await _account.EventAsync(missing, "Mapped");
        Assert.Equal(0, await generator.TerminateAsync());
        Assert.DoesNotContain(generator.Log, line => line.Contains("forbidden", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("list", "persistentvolumes")]
    [InlineData("watch", "persistentvolumes")]
    [InlineData("list", "volumegroupreplicationcontents")]
    [InlineData("watch", "volumegroupreplicationcontents")]
    [InlineData("get", "volumegroupreplicationclasses")]
    [InlineData("create", "events")]
    [InlineData("get", "secrets")]
    [InlineData("get", "leases")]
    [InlineData("create", "leases")]
    [InlineData("update", "leases")]
    public async Task A_verb_that_is_taken_away_is_named(string verb, string resource)
    {
        var (image, missing) = (await _account.WithImageAsync(), _account.NewImage());
        await _account.PutAsync(_account.Pv(image));
        await _account.PutAsync(_account.Pv(missing));
        await PutGroupAsync(image);
        await using (await _account.WithoutAsync(verb, resource))
        {
            // That an event was not written is told at this level only: nothing else goes wrong by it.
            using var generator = _account.Start("--log-level", "debug");
            await Eventually.TrueAsync(
                () => Task.FromResult(generator.Log.Any(line => line.Contains($"cannot {verb} resource \"{resource}\"", StringComparison.Ordinal))),
                $"the generator says that it may not {verb} {resource}");
            // Killed it would keep the lease for a while.
            await generator.TerminateAsync();
        }
        // With it again, the next one works.
        using var next = _account.Start();
        await MappedAsync(image);
    }

    [Fact]
    public async Task The_verb_for_events_that_are_told_again_is_named_when_it_is_taken_away()
    {
        var group = await PutGroupAsync(await _account.WithImageAsync(), "gone");
        // As above, told at this level only.
        using var generator = _account.Start("--log-level", "debug");
        await Eventually.TrueAsync(
            async () => (await clusters.B.ListAsync($"api/v1/namespaces/default/events?fieldSelector=involvedObject.name={group.Name}")).Count == 1, "the group has an event");
        await using (await _account.WithoutAsync("patch", "events"))
        {
            await clusters.B.MergeAsync($"{Contents}/{group.Name}", Attributes("gone, too"));
            await Eventually.TrueAsync(
                () => Task.FromResult(generator.Log.Any(line => line.Contains("cannot patch resource \"events\"", StringComparison.Ordinal))), "the generator says that it may not patch events");
        }
    }

    /// <summary>A group whose object does not say all that is needed: its class does.</summary>
    private async Task<MappedGroup> PutGroupAsync(MappedImage image, string? pool = null)
    {
        var group = new MappedGroup(sites.B.Pool, _account.InstanceId, sites.B.Name, image);
        var parameters = GroupObject.Parameters();
        foreach (var (key, value) in ((string, string)[])[("name", GeneratorAccount.SecretName), ("namespace", GeneratorAccount.Namespace)])
            parameters["replication.storage.openshift.io/group-replication-secret-" + key] = value;
        parameters["clusterID"] = sites.B.Name;
        await clusters.B.CreateAsync($"{ApiServer.Replication}/volumegroupreplicationclasses", new JsonObject
        {
            ["apiVersion"] = ApiServer.ReplicationVersion,
            ["kind"] = "VolumeGroupReplicationClass",
            ["metadata"] = new JsonObject { ["name"] = group.Name },
            ["spec"] = new JsonObject { ["provisioner"] = _account.Driver, ["parameters"] = parameters },
        });
        var content = GroupObject.Json(group.Name, group.Handle, group.Members, _account.Driver);
        content["metadata"] = new JsonObject { ["name"] = group.Name };
        content["spec"]!["volumeGroupReplicationClassName"] = group.Name;
        content["spec"]!.AsObject().Remove("volumeGroupAttributes");
        if (pool is not null)
            content["spec"]!["volumeGroupAttributes"] = Attributes(pool)["spec"]!["volumeGroupAttributes"]!.DeepClone();
        await clusters.B.CreateAsync(Contents, content);
        return group;
    }

    private JsonObject Attributes(string pool) =>
        new() { ["spec"] = new JsonObject { ["volumeGroupAttributes"] = new JsonObject { ["clusterID"] = sites.B.Name, ["pool"] = pool } } };

    private static Task MappedAsync(MappedImage image) => GeneratorRig.MappedAsync(image);
}

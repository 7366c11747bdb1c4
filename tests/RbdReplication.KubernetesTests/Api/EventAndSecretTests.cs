using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Events;
using RbdReplication.Kubernetes.Secrets;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Api;

/// <summary>Events as the server takes them, and Secrets as it hands them out.</summary>
public sealed class EventAndSecretTests(TwoClusters clusters)
{
    private const string Events = "api/v1/namespaces/default/events";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_event_is_created_once_and_its_repetitions_raise_its_count()
    {
        var name = (await FollowedVolumes.CreateAsync(clusters.A, "events.example.com", 1))[0];
        var pv = await clusters.A.GetAsync($"{ApiServer.Volumes}/{name}");
        var reference = new ObjectReference("v1", "PersistentVolume", name, (string)pv["metadata"]!["uid"]!);
        using var api = TwoClusters.Connect(clusters.A);
        using var stop = new CancellationTokenSource();
        var recorder = new EventRecorder(api, "rbd-replication", TimeProvider.System, NullLogger<EventRecorder>.Instance);
        var running = recorder.RunAsync(stop.Token);

        recorder.Warning(reference, "ImageNotFound", "not yet");
        await Eventually.TrueAsync(() => Task.FromResult(recorder.Written == 1), "the event is written");
        for (var i = 0; i < 9; i++)
            recorder.Warning(reference, "ImageNotFound", "not yet");
        // Another message is written at once, with the repetitions before it.
        recorder.Warning(reference, "ImageNotFound", new string('x', 5000));
        await Eventually.TrueAsync(() => Task.FromResult(recorder.Written == 2), "the event is patched");
        recorder.Normal(reference, "Mapped", "found");
        await Eventually.TrueAsync(() => Task.FromResult(recorder.Written == 3), "another event is written");

        var written = (await clusters.A.ListAsync($"{Events}?fieldSelector=involvedObject.name={name}")).OrderBy(e => (string?)e["reason"]).ToList();
        Assert.Equal([("ImageNotFound", "Warning", 11), ("Mapped", "Normal", 1)], written.Select(e => ((string)e["reason"]!, (string)e["type"]!, (int)e["count"]!)));
        Assert.All(written, e => Assert.Equal((string?)pv["metadata"]!["uid"], (string?)e["involvedObject"]!["uid"]));
        Assert.Equal(0, recorder.Dropped);
        // And a person sees it where he looks.
        Assert.Contains("ImageNotFound", await TwoClusters.KubectlAsync(clusters.A, "describe", "pv", name), StringComparison.Ordinal);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    [Fact]
    public async Task A_secret_is_read_and_one_that_is_missing_is_said_to_be()
    {
        var @namespace = await TwoClusters.NewNamespaceAsync(clusters.A);
        await clusters.A.CreateAsync($"api/v1/namespaces/{@namespace}/secrets", new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = "csi-rbd" },
            ["data"] = new JsonObject { ["userID"] = Convert.ToBase64String("csi"u8), ["userKey"] = Convert.ToBase64String(Encoding.UTF8.GetBytes("AQDx==")) },
        });
        using var api = TwoClusters.Connect(clusters.A);
        var secrets = new SecretReader(api, TimeProvider.System);
        var secret = await secrets.ReadAsync(new ObjectName(@namespace, "csi-rbd"), Token);
        Assert.Equal(new Dictionary<string, string> { ["userID"] = "csi", ["userKey"] = "AQDx==" }, secret.ToDictionary());
        var missing = await Assert.ThrowsAsync<KubernetesApiException>(() => secrets.ReadAsync(new ObjectName(@namespace, "other"), Token));
        Assert.True(missing.IsNotFound, missing.Message);
    }
}

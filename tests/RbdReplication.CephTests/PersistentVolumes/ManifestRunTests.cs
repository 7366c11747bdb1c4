using System.Text.Json.Nodes;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.CephTests.PersistentVolumes;

public sealed class ManifestRunTests(TwoSites sites) : IAsyncLifetime
{
    private GeneratorRig _rig = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _rig = await GeneratorRig.StartAsync(sites.B);

    public async ValueTask DisposeAsync() => await _rig.DisposeAsync();

    [Fact]
    public async Task A_dry_run_prints_what_would_be_written_and_writes_nothing()
    {
        var image = await WithImageAsync();
        var run = await RunAsync([_rig.Pv(image), Secret()], "--dry-run");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains($"{image.Reservation.RequestName}: would set replicapool/{image.ObjectName}: csi.imageid = {image.ImageId}", run.Output, StringComparison.Ordinal);
        Assert.Contains($"would set replicapool/{image.Directory}: {image.DirectoryKey} = {image.Reservation.Uuid}", run.Output, StringComparison.Ordinal);
        Assert.Contains("dry run: 1 mapped, 0 repaired, 0 mapped before, 0 failed, 0 skipped", run.Output, StringComparison.Ordinal);
        Assert.Null(await image.ReadObjectAsync());
        Assert.Null(await image.ReadDirectoryEntryAsync());
    }

    [Fact]
    public async Task Volumes_are_mapped_with_the_secrets_of_the_manifests_and_a_second_run_finds_nothing_to_do()
    {
        var image = await WithImageAsync();
        var first = await RunAsync([_rig.Pv(image), Secret()]);
        Assert.Equal((0, "1 mapped, 0 repaired, 0 mapped before, 0 failed, 0 skipped\n"), (first.ExitCode, first.Output));
        await image.AssertCompleteAsync();
        var second = await RunAsync([_rig.Pv(image), Secret()]);
        Assert.Equal((0, "0 mapped, 0 repaired, 1 mapped before, 0 failed, 0 skipped\n"), (second.ExitCode, second.Output));
    }

    [Fact]
    public async Task A_volume_that_fails_is_named_with_its_reason_and_the_exit_code_tells()
    {
        var image = await WithImageAsync();
        var missing = _rig.NewImage();
        var broken = _rig.Pv(_rig.NewImage());
        broken["spec"]!["csi"]!["volumeHandle"] = "garbage";
        var foreign = _rig.Pv(_rig.NewImage());
        foreign["spec"]!["csi"]!["driver"] = "cephfs.csi.ceph.com";
        var run = await RunAsync([broken, _rig.Pv(missing), _rig.Pv(image), foreign, Secret()]);
        Assert.Equal((1, "1 mapped, 0 repaired, 0 mapped before, 2 failed, 1 skipped\n"), (run.ExitCode, run.Output));
        Assert.Contains($"{missing.Reservation.RequestName}: ImageNotFound: image replicapool/{missing.Reservation.ImageName}", run.Errors, StringComparison.Ordinal);
        Assert.Contains("InvalidVolume", run.Errors, StringComparison.Ordinal);
        await image.AssertCompleteAsync();
    }

    [Fact]
    public async Task Yaml_as_kubectl_prints_it_is_taken_with_several_documents_and_a_volume_that_is_there_twice()
    {
        var image = await WithImageAsync();
        var path = Path.Combine(_rig.Folder, "dump.yaml");
        var volume = $"""
            - apiVersion: v1
              kind: PersistentVolume
              metadata:
                annotations:
                  pv.kubernetes.io/provisioned-by: rbd.csi.ceph.com
                name: {image.Reservation.RequestName}
                uid: {image.Reservation.RequestName[4..]}
              spec:
                claimRef:
                  name: data
                  namespace: apps
                csi:
                  controllerExpandSecretRef:
                    name: csi-rbd
                    namespace: ceph
                  driver: rbd.csi.ceph.com
                  volumeAttributes:
                    pool: replicapool
                  volumeHandle: {new VolumeHandle(sites.B.Name, 2, image.Reservation.Uuid)}
            """;
        await File.WriteAllTextAsync(path, $"""
            apiVersion: v1
            items:
            {volume}
            {volume}
            kind: List
            metadata:
              resourceVersion: ""
            ---
            apiVersion: v1
            kind: Secret
            metadata:
              name: csi-rbd
              namespace: ceph
            stringData:
              userID: csi
              userKey: {sites.B.Secrets[CephCredentials.KeyField]}
            """, Token);
        var run = await RunProcessAsync(Arguments(path));
        Assert.Equal((0, "1 mapped, 0 repaired, 1 mapped before, 0 failed, 0 skipped\n", ""), (run.ExitCode, run.Output, run.Errors));
        await image.AssertCompleteAsync();
    }

    [Fact]
    public async Task Groups_are_shown_written_and_found_again_after_the_volumes_that_they_need()
    {
        var image = _rig.NewImage();
        image.Reservation = image.Reservation with { ImagePrefix = "gold-" };
        await image.CreateImageAsync();
        var pv = _rig.Pv(image);
        pv["spec"]!["csi"]!["volumeAttributes"]!["volumeNamePrefix"] = "gold-";
        var group = new MappedGroup(sites.B.Pool, _rig.InstanceId, sites.A.Name, image);
        var old = group.Json();
        old["spec"]!.AsObject().Remove("volumeGroupAttributes");
        old["metadata"]!["annotations"] = new JsonObject();
        JsonObject groupClass = new()
        {
            ["kind"] = "VolumeGroupReplicationClass",
            ["metadata"] = new JsonObject { ["name"] = "rbd-groups" },
            ["spec"] = new JsonObject { ["parameters"] = GroupObject.Parameters() },
        };
        var waiting = new MappedGroup(sites.B.Pool, _rig.InstanceId, sites.A.Name, _rig.NewImage());
        JsonObject[] all = [old, waiting.Json(), GroupObject.Json("foreign", "x", [], driver: "cephfs.csi.ceph.com"), groupClass, pv, Secret()];
        var first = await RunAsync(all);
        Assert.Equal(
            (1, "1 mapped, 0 repaired, 0 mapped before, 0 failed, 0 skipped\ngroups: 1 mapped, 0 repaired, 0 mapped before, 1 failed, 1 skipped\n"), (first.ExitCode, first.Output));
        Assert.Contains($"{waiting.Name}: ImageNotFound: ", first.Errors, StringComparison.Ordinal);
        await group.AssertCompleteAsync();
        await waiting.AssertAbsentAsync();

        var next = new MappedGroup(sites.B.Pool, _rig.InstanceId, sites.A.Name, image);
        var dry = await RunAsync([.. all[..1].Select(item => (JsonObject)item.DeepClone()), (JsonObject)groupClass.DeepClone(), next.Json(), Secret()], "--dry-run");
        Assert.Equal(0, dry.ExitCode);
        Assert.Contains("dry run: groups: 1 mapped, 0 repaired, 1 mapped before, 0 failed, 0 skipped\n", dry.Output, StringComparison.Ordinal);
        Assert.Contains($"{next.Name}: would set replicapool/csi.volume.group.{next.Uuid}: csi.volname = {next.Name}\n", dry.Output, StringComparison.Ordinal);
        Assert.Contains($"{next.Name}: would set replicapool/csi.volume.group.{next.Uuid}: {next.Members.Single()} = \n", dry.Output, StringComparison.Ordinal);
        Assert.Contains($"{next.Name}: would set replicapool/csi.groups.{_rig.InstanceId}: csi.volume.group.{next.Name} = {next.Uuid}\n", dry.Output, StringComparison.Ordinal);
        await next.AssertAbsentAsync();
    }

    [Fact]
    public async Task On_a_terminal_progress_is_shown_on_one_line_and_failures_stand_on_lines_of_their_own()
    {
        var image = await WithImageAsync();
        var missing = _rig.NewImage();
        var command = string.Join(' ', Arguments(await WriteAsync([_rig.Pv(image), _rig.Pv(missing), Secret()])).Prepend(ServerProcess.Binary));
        var shown = await ProcessOutput.OfAsync("script", "--quiet", "--command", command, "/dev/null");
        Assert.Contains($"\r\u001b[K{missing.Reservation.RequestName}: ImageNotFound: ", shown, StringComparison.Ordinal);
        Assert.EndsWith("\n2/2 volumes\r\n1 mapped, 0 repaired, 0 mapped before, 1 failed, 0 skipped\r\n", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secrets_can_come_from_a_directory_and_without_any_it_is_said_which_is_missing()
    {
        var image = await WithImageAsync();
        var without = await RunAsync([_rig.Pv(image)]);
        Assert.Equal(1, without.ExitCode);
        Assert.Contains("secret ceph/csi-rbd is neither in the manifests nor under --secret-dir", without.Errors, StringComparison.Ordinal);

        var secrets = Directory.CreateDirectory(Path.Combine(_rig.Folder, "secrets", "ceph", "csi-rbd"));
        foreach (var (name, value) in sites.B.Secrets)
            await File.WriteAllTextAsync(Path.Combine(secrets.FullName, name), value, Token);
        var with = await RunAsync([_rig.Pv(image)], "--secret-dir", Path.Combine(_rig.Folder, "secrets"));
        Assert.Equal(0, with.ExitCode);
        await image.AssertCompleteAsync();
        Assert.DoesNotContain(sites.B.Secrets[CephCredentials.KeyField], with.Output + with.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--dry-run")]
    [InlineData("--secret-dir", "x")]
    [InlineData("--workers", "0")]
    [InlineData("--unknown")]
    public async Task A_wrong_option_is_one_line_and_exit_code_two(params string[] options)
    {
        var run = await RunProcessAsync(["omap-generator", .. options]);
        Assert.Equal(2, run.ExitCode);
        Assert.Single(run.Errors.TrimEnd().Split('\n'));
        Assert.Contains(options[0], run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kubeconfig_that_does_not_exist_is_one_line_and_exit_code_one()
    {
        var run = await RunProcessAsync(["omap-generator", "--kubeconfig", "/nonexistent", "--http-endpoint", ""]);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("/nonexistent", Assert.Single(run.Errors.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    private JsonObject Secret() => new()
    {
        ["kind"] = "Secret",
        ["metadata"] = new JsonObject { ["name"] = "csi-rbd", ["namespace"] = "ceph" },
        ["stringData"] = new JsonObject { ["userID"] = "csi", ["userKey"] = sites.B.Secrets[CephCredentials.KeyField] },
    };

    private IEnumerable<string> Arguments(string path, params string[] options) =>
        ["omap-generator", "--from-manifests", path, "--cluster-config", sites.B.ConfigPath, "--cluster-mapping", sites.B.MappingPath, "--instance-id", _rig.InstanceId, .. options];

    private async Task<string> WriteAsync(IEnumerable<JsonObject> items)
    {
        var path = Path.Combine(_rig.Folder, "manifests.json");
        var list = new JsonObject { ["kind"] = "List", ["items"] = new JsonArray([.. items]) };
        await File.WriteAllTextAsync(path, list.ToJsonString(), Token);
        return path;
    }

    private async Task<Run> RunAsync(IEnumerable<JsonObject> items, params string[] options) =>
        await RunProcessAsync(Arguments(await WriteAsync(items), options));

    private static async Task<Run> RunProcessAsync(IEnumerable<string> arguments)
    {
        using var process = ServerProcess.Start(arguments);
        var output = process.StandardOutput.ReadToEndAsync(Token);
        var errors = process.StandardError.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        return new Run(process.ExitCode, await output, await errors);
    }

    private async Task<MappedImage> WithImageAsync()
    {
        var image = _rig.NewImage();
        await image.CreateImageAsync();
        return image;
    }

    private sealed record Run(int ExitCode, string Output, string Errors);
}

using System.Text;
using CsCheck;
using RbdReplication.Core;
using RbdReplication.Csi.Cli;
using RbdReplication.Csi.Grpc;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Manifests;

namespace RbdReplication.Tests.Hostile;

/// <summary>Whatever text comes from outside: it is read, or refused in the way that is documented, and never anything else.</summary>
public sealed class ParserTests : IDisposable
{
    private const string Handle = "0001-0009-rook-ceph-0000000000000002-0c23de1c-18fb-11eb-a903-0242ac110005";

    private const string Config =
        """[{"clusterID":"primary","monitors":["10.0.0.1:6789"],"rbd":{"radosNamespace":"tenant1","x":[1]},"replicationDestination":{"remoteClusterID":"secondary","rbd":{"remotePoolMapping":{"replicapool":{"poolID":"5"}}}}},{"clusterID":"b"}]""";

    private const string Mapping =
        """[{"clusterIDMapping":{"site1":"site2","a":"b"},"RBDPoolIDMapping":[{"1":"3"},{"11":"12","21":"22"}],"CephFSFscIDMapping":[{"13":"34"}]}]""";

    private const string SnapshotMode =
        """replaying, {"bytes_per_second":0.0,"bytes_per_snapshot":81920.0,"last_snapshot_bytes":81920,"last_snapshot_sync_seconds":3,"local_snapshot_timestamp":1684675261,"remote_snapshot_timestamp":1684675321,"replay_state":"idle","syncing_percent":28}""";

    private const string JournalMode =
        """replaying, {"bytes_per_second":0.0,"entries_behind_primary":17,"entries_per_second":0.0,"non_primary_position":{"entry_tid":1},"primary_position":{"entry_tid":3,"object_number":3,"tag_tid":6}}""";

    private const string Kubeconfig = """
        apiVersion: v1
        kind: Config
        current-context: here
        contexts:
        - name: here
          context: {cluster: site-a, user: admin, namespace: ceph}
        clusters:
        - name: site-a
          cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}
        users:
        - name: admin
          user: {token: abc}
        """;

    private const string Manifest = """
        apiVersion: v1
        kind: PersistentVolume
        metadata: {name: pvc-1, annotations: {a: "b\u0041"}}
        spec:
          claimRef: {name: data, namespace: apps}
          csi:
            driver: rbd.csi.ceph.com
            volumeHandle: 0001-0009-rook-ceph-0000000000000002-0c23de1c-18fb-11eb-a903-0242ac110005
            volumeAttributes: {pool: replicapool, journalPool: }
            controllerExpandSecretRef: {name: csi-rbd, namespace: ceph}
        ---
        kind: Secret
        metadata: {name: s, namespace: ceph}
        data: {userID: Y3Np, userKey: a2V5}
        stringData:
          note: |
            several
            lines
        """;

    private const string JsonManifest =
        """{"kind":"List","items":[{"kind":"PersistentVolume","metadata":{"name":"pvc-1"},"spec":{"csi":{"driver":"d","volumeHandle":"h","volumeAttributes":{"pool":"p"}}}},{"kind":"Secret","metadata":{"name":"s","namespace":"n"},"data":{"userID":"Y3Np"}}]}""";

    private readonly string _folder = Directory.CreateTempSubdirectory("parsers-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_text_is_a_handle_that_is_written_the_same_or_is_refused_with_a_short_reason() =>
        Gen.OneOf(JsonGen.Changes(Handle), Gen.String[0, 200], Gen.Char["0123456789abcdefABCDEF-"].Array[60, 130].Select(c => new string(c))).Sample(text =>
        {
            if (!VolumeHandle.TryParse(text, out var handle, out var problem))
            {
                Assert.InRange(problem.Length, 1, 200);
                return;
            }
            // Digits in upper case are read and written in lower case; cluster id and uuid keep theirs.
            Assert.Equal(text, handle.ToString(), ignoreCase: true);
            Assert.True(VolumeHandle.TryParse(handle.ToString(), out var again, out _));
            Assert.Equal(handle, again);
            Assert.DoesNotContain(handle.ClusterId, char.IsControl);
        }, iter: 20_000);

    [Fact]
    public void A_broken_cluster_configuration_is_read_or_is_a_format_error() =>
        Gen.OneOf(JsonGen.Changes(Config), JsonGen.OtherValues(Config)).Sample(text =>
        {
            if (Read(text, ClusterConfig.Parse) is not { } config)
                return;
            foreach (var cluster in config.ClusterIds.Select(config.Find))
            {
                Assert.NotNull(cluster);
                Assert.All(cluster.Monitors, monitor => Assert.NotNull(monitor));
                Assert.NotNull(cluster.RadosNamespace);
                _ = cluster.ReplicationDestination?.PoolIdTextOf("replicapool");
            }
        }, iter: 20_000);

    [Fact]
    public void A_broken_cluster_mapping_is_read_or_is_a_format_error() =>
        Gen.OneOf(JsonGen.Changes(Mapping), JsonGen.OtherValues(Mapping)).Sample(text =>
        {
            if (Read(text, ClusterMapping.Parse) is not { } mapping)
                return;
            Assert.All(mapping.ClustersFor("site1"), id => Assert.NotEmpty(id));
            Assert.All(mapping.LocationsFor("site1", 1), place => Assert.InRange(place.PoolId, 0, long.MaxValue));
        }, iter: 20_000);

    [Theory]
    [InlineData("[")]
    [InlineData("{\"a\":")]
    [InlineData("[{\"clusterID\":\"x\",\"rbd\":")]
    public void Documents_nested_without_end_are_format_errors(string level)
    {
        var json = JsonGen.Bytes(string.Concat(Enumerable.Repeat(level, 200_000)));
        Assert.Throws<FormatException>(() => ClusterConfig.Parse(json));
        Assert.Throws<FormatException>(() => ClusterMapping.Parse(json));
    }

    [Fact]
    public void A_configuration_file_that_is_too_large_is_not_read_and_the_last_good_one_stays_in_force()
    {
        var path = Path.Combine(_folder, "config.json");
        string? problem = null;
        var files = new ClusterFiles(path, Path.Combine(_folder, "none.json"), (_, text) => problem = text);
        File.WriteAllText(path, Config);
        Assert.NotNull(files.Read().Config.Find("primary"));
        using (var file = File.OpenWrite(path))
            file.SetLength(8L * 1024 * 1024 * 1024);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        Assert.NotNull(files.Read().Config.Find("primary"));
        Assert.Contains("more than 4 MiB", problem, StringComparison.Ordinal);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 64 * 1024 * 1024);
        File.WriteAllText(path, "[]");
        Assert.Null(files.Read().Config.Find("primary"));
        Assert.Null(problem);
    }

    [Fact]
    public void A_broken_status_of_a_daemon_is_a_report_with_figures_that_can_be_or_none() =>
        Gen.OneOf(
            JsonGen.Changes(SnapshotMode), JsonGen.OtherValues(SnapshotMode), JsonGen.Changes(JournalMode), JsonGen.OtherValues(JournalMode),
            Gen.String.Select(text => "replaying, {" + text)).Sample(text =>
        {
            _ = SyncReport.Words(text);
            if (SyncReport.Parse(text) is not { } report)
                return;
            Assert.True(report.LastSnapshotBytes is null or >= 0);
            Assert.True(report.EntriesBehindPrimary is null or >= 0);
            Assert.True(report.SyncingPercent is null or (>= 0 and <= 100));
            Assert.True(report.LastSnapshotDuration is null || report.LastSnapshotDuration >= TimeSpan.Zero);
        }, iter: 40_000);

    [Fact]
    public void A_status_with_half_a_character_is_no_report() => Assert.Null(SyncReport.Parse("""replaying, {"replay_state":"\ud800"}"""));

    [Fact]
    public void Parameters_are_taken_or_refused_with_a_short_message_that_names_the_key() =>
        Gen.Select(
            Gen.OneOf(JsonGen.Among([.. ReplicationParameters.KnownKeys]), Gen.String),
            Gen.OneOf(JsonGen.Among("snapshot", "journal", "true", "5m", "14:00:00-05:00", "force", "never"), JsonGen.Changes("5m"), JsonGen.Changes("14:00:00-05:00"), Gen.String[0, 400]))
            .Array[0, 6].Sample(pairs =>
        {
            var parameters = pairs.DistinctBy(pair => pair.Item1).ToDictionary(pair => pair.Item1, pair => pair.Item2);
            try
            {
                var read = ReplicationParameters.Parse(parameters);
                if (read.Schedule is { } schedule)
                    Assert.InRange(schedule.Interval.Length + (schedule.StartTime?.Length ?? 0), 2, 64);
            }
            catch (ReplicationException e)
            {
                Assert.Equal(ReplicationError.InvalidArgument, e.Error);
                Assert.Contains(ReplicationParameters.KnownKeys, key => e.Message.Contains(key, StringComparison.Ordinal));
                Assert.InRange(e.Message.Length, 1, 300);
            }
        }, iter: 20_000);

    [Fact]
    public void A_text_is_an_interval_from_a_minute_to_a_year_or_none() =>
        Gen.OneOf(JsonGen.Changes("365d"), Gen.Select(Gen.Long, JsonGen.Among("m", "h", "d")).Select((n, unit) => n + unit), Gen.String).Sample(text =>
        {
            if (ReplicationSchedule.ParseInterval(text) is { } interval)
                Assert.InRange(interval, TimeSpan.FromMinutes(1), ReplicationSchedule.MaximumInterval);
        }, iter: 20_000);

    [Fact]
    public void An_interval_is_never_passed_on_in_a_length_that_only_zeros_give_it() =>
        Assert.Null(ReplicationSchedule.ParseInterval(new string('0', 1000) + "5m"));

    [Fact]
    public void A_text_is_a_start_time_within_a_day_or_none() =>
        Gen.OneOf(
            JsonGen.Changes("14:00:00-05:00"), JsonGen.Changes("2026-11-23T16:18:43.123Z"), JsonGen.Changes("0001-01-01T00:00:00+14:00"),
            JsonGen.Changes("9999-12-31T23:59:59-14:00"), Gen.String).Sample(text =>
        {
            if (ReplicationSchedule.ParseStartTime(text) is not { } start)
                return;
            Assert.InRange(start, TimeSpan.Zero, TimeSpan.FromDays(1) - TimeSpan.FromMinutes(1));
            Assert.Equal(start, ReplicationSchedule.ParseStartTime(ReplicationSchedule.FullStartTime(text)));
        }, iter: 20_000);

    [Fact]
    public void A_broken_manifest_is_read_or_is_an_error_that_names_the_file() =>
        Gen.OneOf(JsonGen.Changes(Manifest), JsonGen.Changes(JsonManifest), JsonGen.OtherValues(JsonManifest)).Sample(text =>
        {
            var path = Path.Combine(_folder, Guid.NewGuid() + ".yaml");
            File.WriteAllBytes(path, JsonGen.Bytes(text));
            try
            {
                Assert.All(ManifestReader.Read(path).Volumes, volume => Assert.NotNull(volume.Name));
            }
            catch (ManifestException e)
            {
                Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
            }
            finally
            {
                File.Delete(path);
            }
        }, iter: 5_000);

    [Fact]
    public void A_broken_kubeconfig_is_used_or_is_an_error_that_names_the_file() =>
        JsonGen.Changes(Kubeconfig).Sample(text =>
        {
            var path = Path.Combine(_folder, Guid.NewGuid() + ".conf");
            File.WriteAllBytes(path, JsonGen.Bytes(text));
            try
            {
                KubernetesApi.Connect(path).Dispose();
            }
            catch (KubernetesApiException e)
            {
                Assert.Contains(path, e.Message, StringComparison.Ordinal);
            }
            finally
            {
                File.Delete(path);
            }
        }, iter: 5_000);

    [Fact]
    public void A_broken_secret_file_is_read_or_is_an_error_of_those_that_the_commands_report() =>
        JsonGen.Changes("""{"userID":"csi","userKey":"AQ=="}""").Sample(text =>
        {
            var path = Path.Combine(_folder, Guid.NewGuid() + ".json");
            File.WriteAllBytes(path, JsonGen.Bytes(text));
            try
            {
                Assert.All(SecretSource.Read(path), pair => Assert.NotNull(pair.Value));
            }
            catch (Exception e) when (e is IOException or FormatException)
            {
            }
            finally
            {
                File.Delete(path);
            }
        }, iter: 5_000);

    [Fact]
    public void A_secret_makes_credentials_or_is_refused_without_showing_the_key() =>
        Gen.Select(Gen.OneOf(Gen.Const("csi"), Gen.String[0, 300]), Gen.OneOf(JsonGen.Changes(RunningServer.Key), Gen.String)).Sample((user, key) =>
        {
            try
            {
                var credentials = CephCredentials.FromSecrets(new Dictionary<string, string> { ["userID"] = user, ["userKey"] = key });
                Assert.DoesNotContain(key.Trim(), credentials.ToString(), StringComparison.Ordinal);
                Assert.DoesNotContain(credentials.User, char.IsControl);
                Assert.InRange(credentials.User.Length, 1, 256);
            }
            catch (ReplicationException e)
            {
                Assert.True(e.Error is ReplicationError.InvalidArgument or ReplicationError.AccessDenied);
                Assert.InRange(e.Message.Length, 1, 500);
                if (key.Trim().Length > 20)
                    Assert.DoesNotContain(key.Trim(), e.Message, StringComparison.Ordinal);
            }
        }, iter: 10_000);

    [Fact]
    public void What_is_shown_of_a_text_is_short_and_does_nothing_to_a_terminal() =>
        Gen.OneOf(Gen.String[0, 400], Gen.Char.Array[0, 300].Select(characters => new string(characters))).Sample(text =>
        {
            var shown = RequestVolume.Printable(text);
            Assert.InRange(shown.Length, 0, VolumeHandle.MaximumBytes + 1);
            Assert.DoesNotContain(shown, character => char.IsControl(character) || char.IsSurrogate(character) || character is '\u2028' or '\u2029' or '\u202e');
        }, iter: 10_000);

    private static T? Read<T>(string text, SpanParse<T> parse) where T : class
    {
        try
        {
            return parse(JsonGen.Bytes(text));
        }
        catch (FormatException e)
        {
            Assert.InRange(e.Message.Length, 1, 1000);
            return null;
        }
    }

    private delegate T SpanParse<out T>(ReadOnlySpan<byte> json);
}

using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Manifests;

namespace RbdReplication.Tests.Kubernetes;

public sealed class ManifestTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rbd-replication-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_list_as_kubectl_prints_it_in_yaml_is_read()
    {
        var manifests = Read("pvs.yaml", """
            apiVersion: v1
            items:
            - apiVersion: v1
              kind: PersistentVolume
              metadata:
                annotations:
                  pv.kubernetes.io/provisioned-by: rbd.csi.ceph.com
                  note: |
                    kind: Secret
                    several: lines
                creationTimestamp: "2026-01-01T00:00:00Z"
                name: pvc-1
                uid: 11111111-2222-3333-4444-555555555555
              spec:
                accessModes: [ReadWriteOnce]
                claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, name: data, namespace: apps}
                csi:
                  controllerExpandSecretRef:
                    name: csi-rbd
                    namespace: ceph
                  driver: rbd.csi.ceph.com
                  readOnly: false
                  volumeAttributes:
                    pool: replicapool
                    journalPool:
                    encrypted: true
                    encryptionKMSID: "null"
                  volumeHandle: 0001-0009-rook-ceph-0000000000000002-0c23de1c-18fb-11eb-a903-0242ac110005
              status: {phase: Bound}
            kind: List
            metadata:
              resourceVersion: ""
            """);
        var volume = Assert.Single(manifests.Volumes);
        Assert.Equal("pvc-1", volume.Name);
        Assert.Equal(new ObjectName("apps", "data"), volume.Claim);
        Assert.Equal("replicapool", volume.Pool);
        Assert.Null(volume.JournalPool);
        Assert.Equal("true", volume.Encrypted);
        Assert.Equal("null", volume.EncryptionKmsId);
        Assert.False(volume.Deleting);
    }

    [Fact]
    public void Documents_lists_json_and_other_kinds_in_a_directory_are_read_in_order_of_names()
    {
        Write("b.json", $$"""{"kind":"PersistentVolumeList","items":[{{PvObject.Json(2).ToJsonString()}},{{PvObject.Json(3).ToJsonString()}}]}""");
        Write("a.yml", """
            # comment
            ---
            kind: ConfigMap
            data: {spec: [1, 2]}
            ---
            ---
            {kind: PersistentVolume, metadata: {name: first}}
            ...
            """);
        Write("sub/c.yaml", "kind: Secret\nmetadata: {name: s, namespace: ceph}\nstringData: {userID: u}\ndata: {userID: eA==, userKey: a2V5}\n");
        Write("ignored.txt", "{{{");
        var manifests = ManifestReader.Read(_folder);
        Assert.Equal(["first", "pvc-000002", "pvc-000003"], manifests.Volumes.Select(v => v.Name));
        var secret = manifests.Secrets[new ObjectName("ceph", "s")];
        Assert.Equal("u", secret.ToDictionary()["userID"]);
        Assert.Equal("key", secret.ToDictionary()["userKey"]);
    }

    [Theory]
    [InlineData("a: [1, 2", "line")]
    [InlineData("a: &x {b: c}\nd: *x", "alias")]
    [InlineData("? {a: b}\n: c", "key")]
    [InlineData("{\"kind\": ", "broken.yaml")]
    public void What_cannot_be_read_is_an_error_that_names_the_file(string text, string part)
    {
        var e = Assert.Throws<ManifestException>(() => Read("broken.yaml", text));
        Assert.Contains("broken.yaml", e.Message, StringComparison.Ordinal);
        Assert.Contains(part, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_document_that_is_nested_without_end_is_refused() =>
        Assert.Throws<ManifestException>(() => Read("deep.yaml", string.Concat(Enumerable.Repeat("[", 100_000))));

    [Fact]
    public void A_missing_file_is_an_error() =>
        Assert.Throws<ManifestException>(() => ManifestReader.Read(Path.Combine(_folder, "nothing.yaml")));

    [Fact]
    public void A_secret_that_is_not_base64_is_named_and_not_quoted()
    {
        var e = Assert.Throws<ManifestException>(() => Read("s.yaml", "kind: Secret\nmetadata: {name: s, namespace: ceph}\ndata: {userKey: 'AQsecret!'}"));
        Assert.Contains("data.userKey of secret ceph/s", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("AQsecret", e.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ceph/csi-rbd/")]
    [InlineData("csi-rbd/")]
    [InlineData("")]
    public void A_directory_of_secrets_is_read_in_each_of_its_forms(string prefix)
    {
        Write(prefix + "userID", "csi");
        Write(prefix + "..data", "not this");
        var secret = SecretDirectory.Read(_folder, new ObjectName("ceph", "csi-rbd"));
        Assert.Equal(["userID"], secret!.ToDictionary().Keys);
    }

    [Fact]
    public void A_secrets_name_cannot_lead_out_of_the_directory()
    {
        Write("outside/userID", "csi");
        Directory.CreateDirectory(Path.Combine(_folder, "inside"));
        Assert.Null(SecretDirectory.Read(Path.Combine(_folder, "inside"), new ObjectName("..", "outside")));
        Assert.Null(SecretDirectory.Read(Path.Combine(_folder, "inside"), new ObjectName("ceph", "../outside")));
    }

    private ManifestObjects Read(string name, string text)
    {
        Write(name, text);
        return ManifestReader.Read(Path.Combine(_folder, name));
    }

    private void Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}

using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Secrets;

namespace RbdReplication.Tests.Kubernetes;

public sealed class SecretReaderTests : IAsyncLifetime
{
    private static readonly ObjectName Name = new("ceph", "csi-rbd");
    private readonly ApiServerStandIn _server = new();
    private readonly ManualTime _time = new();
    private KubernetesApi _api = null!;
    private SecretReader _secrets = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync();
        _api = _server.Connect();
        _secrets = new SecretReader(_api, _time);
    }

    public async ValueTask DisposeAsync()
    {
        _api.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Values_are_decoded_and_missing_keys_are_told()
    {
        _server.PutSecret("ceph", "csi-rbd", ("userID", "csi-rbd-provisioner"), ("userKey", "AQDx=="));
        var secret = await _secrets.ReadAsync(Name, Token);

        Assert.True(secret.TryGetValue("userID", out var id));
        Assert.Equal("csi-rbd-provisioner", id);
        Assert.False(secret.TryGetValue("adminKey", out _));
        Assert.Equal("AQDx==", secret.ToDictionary()["userKey"]);
    }

    [Fact]
    public async Task A_secret_prints_its_name_and_no_value()
    {
        _server.PutSecret("ceph", "csi-rbd", ("userKey", "AQDx=="));
        var secret = await _secrets.ReadAsync(Name, Token);
        Assert.Equal("secret ceph/csi-rbd", $"{secret}");
    }

    [Fact]
    public async Task A_secret_without_data_is_empty()
    {
        _server.PutSecret("ceph", "csi-rbd");
        Assert.Empty((await _secrets.ReadAsync(Name, Token)).ToDictionary());
    }

    [Fact]
    public async Task Many_readers_at_once_and_soon_after_cost_one_request_of_verb_get()
    {
        _server.PutSecret("ceph", "csi-rbd", ("userID", "u"));
        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => _secrets.ReadAsync(Name, Token)));
        _time.Advance(SecretReader.Lifetime - TimeSpan.FromSeconds(1));
        await _secrets.ReadAsync(Name, Token);
        Assert.Equal(["GET /api/v1/namespaces/ceph/secrets/csi-rbd"], _server.Requests);
    }

    [Fact]
    public async Task After_its_lifetime_an_unchanged_secret_is_the_same_object_and_a_changed_one_is_new()
    {
        _server.PutSecret("ceph", "csi-rbd", ("userID", "old"));
        var first = await _secrets.ReadAsync(Name, Token);
        _time.Advance(SecretReader.Lifetime);
        var second = await _secrets.ReadAsync(Name, Token);
        Assert.Same(first, second);
        Assert.Equal(2, _server.Count("GET", "/secrets/"));

        _server.PutSecret("ceph", "csi-rbd", ("userID", "new"));
        _time.Advance(SecretReader.Lifetime);
        var third = await _secrets.ReadAsync(Name, Token);
        Assert.Equal("new", third.ToDictionary()["userID"]);
        Assert.NotEqual(second.ResourceVersion, third.ResourceVersion);
    }

    [Fact]
    public async Task A_forgotten_secret_is_read_again_at_once()
    {
        _server.PutSecret("ceph", "csi-rbd", ("userKey", "wrong"));
        await _secrets.ReadAsync(Name, Token);
        _server.PutSecret("ceph", "csi-rbd", ("userKey", "right"));
        _secrets.Forget(Name);
        Assert.Equal("right", (await _secrets.ReadAsync(Name, Token)).ToDictionary()["userKey"]);
    }

    [Fact]
    public async Task A_missing_secret_is_asked_for_once_in_a_while_and_found_when_it_appears()
    {
        for (var i = 0; i < 50; i++)
            Assert.True((await Assert.ThrowsAsync<KubernetesApiException>(() => _secrets.ReadAsync(Name, Token))).IsNotFound);
        Assert.Single(_server.Requests);

        _server.PutSecret("ceph", "csi-rbd", ("userID", "u"));
        _time.Advance(SecretReader.FailureLifetime);
        Assert.Equal(Name, (await _secrets.ReadAsync(Name, Token)).Name);
    }

    [Fact]
    public async Task One_reader_that_gives_up_does_not_take_the_answer_from_the_others()
    {
        _server.PutSecret("ceph", "csi-rbd", ("userID", "u"));
        var gate = new TaskCompletionSource();
        _server.Before = (_, _) => gate.Task;
        using var impatient = new CancellationTokenSource();
        var first = _secrets.ReadAsync(Name, impatient.Token);
        var second = _secrets.ReadAsync(Name, Token);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        gate.SetResult();
        Assert.Equal("u", (await second).ToDictionary()["userID"]);
    }

    [Fact]
    public async Task A_refusal_tells_the_status_and_the_servers_message()
    {
        _server.Refuse = (_, _) => 403;
        var e = await Assert.ThrowsAsync<KubernetesApiException>(() => _secrets.ReadAsync(Name, Token));
        Assert.Equal(System.Net.HttpStatusCode.Forbidden, e.Status);
        Assert.Equal("refused by the test", e.Message);
    }
}

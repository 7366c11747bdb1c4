using System.Net;
using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Objects;

namespace RbdReplication.DisasterRecovery;

/// <summary>One of the two Kubernetes clusters. Its errors name it.</summary>
public sealed class Site : IDisposable
{
    private const int ReadsAtOnce = 16;

    // One list in place of as many reads as this.
    private const int ListFrom = 64;

    private readonly KubernetesApi _api;
    private readonly ObjectClient _objects;

    private Site(string? context, KubernetesApi api)
    {
        Context = context;
        Name = context ?? "the current context";
        _api = api;
        _objects = new ObjectClient(api);
    }

    /// <summary>What people call it: the name of the context.</summary>
    public string Name { get; }

    /// <summary>Name of the context; null for the current one.</summary>
    internal string? Context { get; }

    /// <summary>The namespace of the context; null where it names none.</summary>
    public string? DefaultNamespace => _api.Namespace;

    internal Uri Address => _objects.Address;

    /// <summary>Reads the context; nothing is sent yet.</summary>
    /// <param name="kubeconfigs">Files, as kubectl merges them.</param>
    /// <param name="context">Name of the context; null for the current one, which goes by the name "here" then.</param>
    /// <exception cref="ProcedureException">There is no such file or context.</exception>
    public static Site Connect(IReadOnlyList<string> kubeconfigs, string? context)
    {
        try
        {
            return new Site(context, KubernetesApi.Connect(kubeconfigs, context));
        }
        catch (KubernetesApiException e)
        {
            throw new ProcedureException(e.Message, "kubectl config get-contexts lists what there is; --kubeconfig names the file, or KUBECONFIG", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _api.Dispose();

    /// <summary>Why the API server does not answer; null where it does, if only with a refusal.</summary>
    internal async Task<string?> FindSilenceAsync(TimeSpan patience, CancellationToken cancellation)
    {
        try
        {
            await _objects.GetVersionAsync(patience, cancellation).ConfigureAwait(false);
            return null;
        }
        catch (KubernetesApiException e) when (e.Status is null or >= HttpStatusCode.InternalServerError)
        {
            return e.Message;
        }
        catch (KubernetesApiException)
        {
            return null;
        }
    }

    internal Task<JsonObject?> FindAsync(ResourceKind kind, ObjectName name, CancellationToken cancellation) =>
        AskAsync(() => _objects.FindAsync(kind, name, cancellation), $"read {Describe(kind, name)}");

    /// <summary>Cluster-wide or of one namespace; empty where the server does not know the kind.</summary>
    internal async Task<IReadOnlyList<JsonObject>> ListAsync(ResourceKind kind, string? nameSpace, string? selector, CancellationToken cancellation) =>
        await FindAllAsync(kind, nameSpace, selector, cancellation).ConfigureAwait(false) ?? [];

    /// <summary>As <see cref="ListAsync"/>; null where the server does not know the kind.</summary>
    internal Task<IReadOnlyList<JsonObject>?> FindAllAsync(ResourceKind kind, string? nameSpace, string? selector, CancellationToken cancellation) =>
        AskAsync(() => _objects.ListAsync(kind, nameSpace, selector, cancellation), $"list {kind.Plural}");

    /// <summary>As <see cref="FindAllAsync"/>; null also where this user may not see them: for what a check alone needs.</summary>
    internal async Task<IReadOnlyList<JsonObject>?> PeekAsync(ResourceKind kind, string? nameSpace, CancellationToken cancellation)
    {
        try
        {
            return await FindAllAsync(kind, nameSpace, null, cancellation).ConfigureAwait(false);
        }
        catch (ProcedureException e) when (e.InnerException is KubernetesApiException { Status: HttpStatusCode.Forbidden })
        {
            return null;
        }
    }

    /// <summary>The objects of a cluster-wide kind with these names, by name; those that do not exist are left out.</summary>
    internal async Task<Dictionary<string, JsonObject>> FindManyAsync(ResourceKind kind, IReadOnlyCollection<string> names, CancellationToken cancellation)
    {
        if (names.Count >= ListFrom)
        {
            var all = await ListAsync(kind, null, null, cancellation).ConfigureAwait(false);
            return all.Where(item => names.Contains(item.Name())).ToDictionary(item => item.Name(), StringComparer.Ordinal);
        }
        var found = new Dictionary<string, JsonObject>(StringComparer.Ordinal);
        var gate = new Lock();
        await Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = ReadsAtOnce, CancellationToken = cancellation }, async (name, token) =>
        {
            if (await FindAsync(kind, new ObjectName("", name), token).ConfigureAwait(false) is { } item)
                lock (gate)
                    found.Add(name, item);
        }).ConfigureAwait(false);
        return found;
    }

    /// <summary>The object by this name; null where there was none, and it has been made as <paramref name="body"/>. Somebody else may make it at the same moment.</summary>
    internal async Task<JsonObject?> FindOrCreateAsync(ResourceKind kind, JsonObject body, CancellationToken cancellation)
    {
        var name = new ObjectName(body.Namespace(), body.Name());
        while (true)
        {
            if (await FindAsync(kind, name, cancellation).ConfigureAwait(false) is { } found)
                return found;
            try
            {
                // Whose body it is goes on to use it.
                await AskAsync(() => _objects.CreateAsync(kind, name, (JsonObject)body.DeepClone(), cancellation), $"make {Describe(kind, name)}").ConfigureAwait(false);
                return null;
            }
            catch (ProcedureException e) when (e.InnerException is KubernetesApiException { Status: HttpStatusCode.Conflict })
            {
                // There is one by now, or it is already gone again.
            }
        }
    }

    internal Task PatchAsync(ResourceKind kind, ObjectName name, JsonObject patch, CancellationToken cancellation) =>
        AskAsync(
            async () =>
            {
                await _objects.PatchAsync(kind, name, patch, cancellation).ConfigureAwait(false);
                return true;
            }, $"change {Describe(kind, name)}");

    internal Task DeleteAsync(ResourceKind kind, ObjectName name, CancellationToken cancellation) =>
        AskAsync(
            async () =>
            {
                await _objects.DeleteAsync(kind, name, cancellation).ConfigureAwait(false);
                return true;
            }, $"delete {Describe(kind, name)}");

    internal static string Describe(ResourceKind kind, ObjectName name) => kind.IsNamespaced ? $"{kind.Kind} {name}" : $"{kind.Kind} {name.Name}";

    private async Task<T> AskAsync<T>(Func<Task<T>> call, string what)
    {
        try
        {
            return await call().ConfigureAwait(false);
        }
        catch (KubernetesApiException e)
        {
            throw new ProcedureException($"{Name}: cannot {what}: {e.Message}", Advice(e), e);
        }
    }

    private string Advice(KubernetesApiException failure) => failure.Status switch
    {
        HttpStatusCode.Unauthorized => $"log in to {Name} again, and run this again",
        HttpStatusCode.Forbidden => $"the user of context {Name} lacks this right; docs/disaster-recovery.md lists what dr needs",
        null or >= HttpStatusCode.InternalServerError => $"run this again when the API server of {Name} answers; it goes on where it stopped",
        _ => "run this again; it goes on where it stopped",
    };
}
